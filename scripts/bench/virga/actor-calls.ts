// The rows of Ray's microbenchmark on Virga that call actors. Source: Ray ray_perf.py.
import { get } from 'virga'
import type { Workload, Workloads } from '../contender.ts'
import {
  ACTOR_COUNT,
  BATCH,
  CLIENT_CALL_COUNT,
  CLIENT_CALL_WITH_ARGUMENT_COUNT,
  CLIENT_COUNT,
} from '../sizes.ts'
import { asClient, batch, inCluster } from './cluster.ts'
import { Actor, type AnyActor, AsyncActor, Client, work } from './tasks.ts'

type Make = () => Promise<AnyActor>
const plain: Make = () => Actor.create()
const concurrent: Make = () => Actor.options({ maxConcurrency: 16 }).create()
const async: Make = () => AsyncActor.create()

const sync = (make: Make) => async (): Promise<Workload> => {
  const actor = await make()
  return { run: () => get(actor.smallValue.remote()) }
}

const batched = (make: Make) => async (): Promise<Workload> => {
  const actor = await make()
  return { run: () => get(batch(() => actor.smallValue.remote())), unitsPerRun: BATCH }
}

async function batchedWithArguments(): Promise<Workload> {
  const actor = await AsyncActor.create()
  return { run: () => get(batch((i) => actor.smallValueWithArg.remote(i))), unitsPerRun: BATCH }
}

const several = (make: Make): Promise<AnyActor[]> =>
  Promise.all(Array.from({ length: ACTOR_COUNT }, make))

/** One client actor calls all the others. */
const oneToMany = (make: Make) => async (): Promise<Workload> => {
  const client = await Client.create(await several(make))
  return {
    run: () => get(client.smallValueBatch.remote(CLIENT_CALL_COUNT)),
    unitsPerRun: CLIENT_CALL_COUNT * ACTOR_COUNT,
  }
}

/** Four tasks call all actors in turn. */
const manyToMany = (make: Make) => async (): Promise<Workload> => {
  const actors = await several(make)
  return {
    run: () => get(Array.from({ length: CLIENT_COUNT }, () => work.remote(actors))),
    unitsPerRun: CLIENT_COUNT * CLIENT_CALL_COUNT,
  }
}

async function manyToManyWithArgument(): Promise<Workload> {
  const actors = await several(plain)
  const clients = await Promise.all(actors.map((actor) => Client.create([actor])))
  return {
    run: () =>
      get(
        clients.map((client) => client.smallValueBatchArg.remote(CLIENT_CALL_WITH_ARGUMENT_COUNT)),
      ),
    unitsPerRun: CLIENT_CALL_WITH_ARGUMENT_COUNT * clients.length,
  }
}

export const actorCalls: Workloads = {
  '1:1 actor calls sync': inCluster(sync(plain)),
  '1:1 actor calls async': inCluster(batched(plain)),
  '1:1 actor calls concurrent': inCluster(batched(concurrent)),
  '1:n actor calls async': inCluster(oneToMany(plain)),
  'n:n actor calls async': inCluster(manyToMany(plain)),
  'n:n actor calls with arg async': inCluster(manyToManyWithArgument),
  '1:1 async-actor calls sync': inCluster(sync(async)),
  '1:1 async-actor calls async': inCluster(batched(async)),
  '1:1 async-actor calls with args async': inCluster(batchedWithArguments),
  '1:n async-actor calls async': inCluster(oneToMany(async)),
  'n:n async-actor calls async': inCluster(manyToMany(async)),
  'client: 1:1 actor calls sync': asClient(sync(plain)),
  'client: 1:1 actor calls async': asClient(batched(plain)),
  'client: 1:1 actor calls concurrent': asClient(batched(concurrent)),
}
