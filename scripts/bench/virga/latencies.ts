// How long one task or call takes on Virga, from its submission until its result is there.
import { get } from 'virga'
import type { Workload, Workloads } from '../contender.ts'
import { latency, latencyBehindOthers, timed } from '../latency.ts'
import { inCluster } from './cluster.ts'
import { Actor, smallValue } from './tasks.ts'

const loneTask = (): Workload => latency(() => timed(() => get(smallValue.remote())))

const taskBehindOthers = (): Workload =>
  latencyBehindOthers(() => smallValue.remote(), { finish: (refs) => get(refs) })

async function actorCall(): Promise<Workload> {
  const actor = await Actor.create()
  return latency(() => timed(() => get(actor.smallValue.remote())))
}

export const latencies: Workloads = {
  'latency of a task': inCluster(loneTask),
  'latency of a task behind 100': inCluster(taskBehindOthers),
  'latency of an actor call': inCluster(actorCall),
}
