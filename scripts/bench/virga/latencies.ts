// How long one task or call takes on Virga, from its submission until its result is there.
import { get } from 'virga'
import type { Workload, Workloads } from '../contender.ts'
import { latency, timed } from '../latency.ts'
import { TASKS_AHEAD } from '../sizes.ts'
import { inCluster } from './cluster.ts'
import { Actor, smallValue } from './tasks.ts'

const loneTask = (): Workload => latency(() => timed(() => get(smallValue.remote())))

const taskBehindOthers = (): Workload =>
  latency(async () => {
    const ahead = Array.from({ length: TASKS_AHEAD }, () => smallValue.remote())
    const tookMs = await timed(() => get(smallValue.remote()))
    await get(ahead)
    return tookMs
  })

async function actorCall(): Promise<Workload> {
  const actor = await Actor.create()
  return latency(() => timed(() => get(actor.smallValue.remote())))
}

export const latencies: Workloads = {
  'latency of a task': inCluster(loneTask),
  'latency of a task behind 100': inCluster(taskBehindOthers),
  'latency of an actor call': inCluster(actorCall),
}
