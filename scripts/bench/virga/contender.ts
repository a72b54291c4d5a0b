// The column `value`: Virga, used as its users use it. Each row does what the row of that name does
// in Ray's microbenchmark or single-node envelope.
import { shutdown } from 'virga'
import { serveRow } from '../contender.ts'
import { measureIdleCluster } from '../processes.ts'
import { actorCalls } from './actor-calls.ts'
import { inCluster } from './cluster.ts'
import { envelope } from './envelope.ts'
import { initToFirstResult } from './first-result.ts'
import { latencies } from './latencies.ts'
import { microbenchmark } from './microbenchmark.ts'

await serveRow(
  {
    ...microbenchmark,
    ...actorCalls,
    ...envelope,
    ...latencies,
    'init() to first result': () => ({ sample: initToFirstResult }),
    'idle cluster': inCluster(() => ({
      sample: (seconds) => measureIdleCluster(process.pid, 'worker-main', seconds),
    })),
  },
  shutdown,
)
