// The remote functions and actors of the bench: a module of its own, so that a worker imports
// nothing else. Ray's small value is b"ok"; that of JavaScript is a string.
import { type ActorHandle, type Methods, type ObjectRef, get, put, remote } from 'virga'
import {
  ACTOR_COUNT,
  CLIENT_CALL_COUNT,
  FILLED_WITH,
  LARGE_PUTS_PER_PUTTER,
  LIST_LENGTH,
  PUTS_PER_PUTTER,
  PUTTER_BYTES,
  REF_COUNT,
  RETURN_COUNT,
} from '../sizes.ts'

export const smallValue = remote(() => 'ok')

export const countArguments = remote((...lists: number[][]) =>
  lists.reduce((sum, list) => sum + list.length, 0),
)

/** Ray's list(range(n)) is a loop in C; `Array.from` would call a function for each number. */
function range(length: number): number[] {
  const list: number[] = []
  for (let i = 0; i < length; i += 1) list.push(i)
  return list
}

export const manyReturns = remote((): number[][] =>
  Array.from({ length: RETURN_COUNT }, () => range(LIST_LENGTH)),
).options({ numReturns: RETURN_COUNT })

export const createObjectContainingRefs = remote((): Promise<ObjectRef<number>[]> =>
  Promise.all(Array.from({ length: REF_COUNT }, () => put(1))),
)

export const putSmall = remote(async () => {
  for (let i = 0; i < PUTS_PER_PUTTER; i += 1) await put(0)
})

let large: BigInt64Array | undefined

export const putLarge = remote(async () => {
  large ??= new BigInt64Array(PUTTER_BYTES / 8).fill(FILLED_WITH)
  // Ray's ref is counted down as soon as it is dropped; ours says so.
  for (let i = 0; i < LARGE_PUTS_PER_PUTTER; i += 1) (await put(large)).free()
})

class PlainActor {
  smallValue(): string {
    return 'ok'
  }
  smallValueArg(_value: unknown): string {
    return 'ok'
  }
  async smallValueBatch(count: number): Promise<void> {
    await get(Array.from({ length: count }, () => smallValue.remote()))
  }
}
/** Ray's Actor has num_cpus=0; so has every actor of Virga once it runs. */
export const Actor = remote(PlainActor, { numCpus: 0 })

class PlainAsyncActor {
  smallValue(): Promise<string> {
    return Promise.resolve('ok')
  }
  smallValueWithArg(_value: unknown): Promise<string> {
    return Promise.resolve('ok')
  }
}
/** 1,000 calls at once are Ray's default for actors with async methods. */
export const AsyncActor = remote(PlainAsyncActor, { maxConcurrency: 1000 })

export type AnyActor =
  | ActorHandle<Methods<typeof PlainActor>>
  | ActorHandle<Methods<typeof PlainAsyncActor>>

class PlainClient {
  readonly servers: readonly AnyActor[]
  constructor(servers: readonly AnyActor[]) {
    this.servers = servers
  }
  async smallValueBatch(count: number): Promise<void> {
    const calls = this.servers.map((server) =>
      Array.from({ length: count }, () => server.smallValue.remote()),
    )
    await get(calls.flat())
  }
  async smallValueBatchArg(count: number): Promise<void> {
    const value = await put(0)
    const calls = this.servers.map((server) => {
      if (!('smallValueArg' in server)) throw new TypeError('an async actor takes no such call')
      return Array.from({ length: count }, () => server.smallValueArg.remote(value))
    })
    await get(calls.flat())
  }
}
export const Client = remote(PlainClient, { numCpus: 0 })

/** Calls the actors in turn. */
export const work = remote(async (actors: readonly AnyActor[]) => {
  const calls = Array.from({ length: CLIENT_CALL_COUNT }, (_, i) => {
    const actor = actors[i % ACTOR_COUNT]
    if (actor === undefined) throw new RangeError(`work takes ${ACTOR_COUNT} actors`)
    return actor.smallValue.remote()
  })
  await get(calls)
})
