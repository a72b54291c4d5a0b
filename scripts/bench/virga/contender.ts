// The column `value`: Virga, used as its users use it. Each row does what the row of that name does
// in Ray's microbenchmark or single-node envelope.
import { shutdown } from 'virga'
import { missing, serveRow, type Workload } from '../contender.ts'
import { measureIdleCluster } from '../processes.ts'
import { actorCalls } from './actor-calls.ts'
import { NODES, inCluster } from './cluster.ts'
import { envelope } from './envelope.ts'
import { initToFirstResult } from './first-result.ts'
import { latencies } from './latencies.ts'
import { microbenchmark } from './microbenchmark.ts'

/** A row that makes its own cluster, or looks at the processes below this one. */
const onOneNode = (workload: Workload): Workload =>
  NODES > 1 ? missing('it is of one node') : workload

await serveRow(
  {
    ...microbenchmark,
    ...actorCalls,
    ...envelope,
    ...latencies,
    'init() to first result': () => onOneNode({ sample: initToFirstResult }),
    'idle cluster': inCluster(() =>
      onOneNode({
        sample: (seconds) => measureIdleCluster(process.pid, 'worker-main', seconds),
      }),
    ),
  },
  shutdown,
)
