// What drivers of several nodes ask for beside the tasks of ../workload.ts: actors that say which
// life answered, and refs whose owner lives elsewhere and may die.
import {
  get,
  nodeAffinity,
  put,
  remote,
  runtimeContext,
  wait,
  type ObjectRef,
} from '../../../sdk/index.ts'
import { here, sleep, stamp, combine, digestOf, digestOfPart, valueOf } from '../workload.ts'
import type { Doing, Value } from '../workload.ts'

/** What a call of a Teller gave. */
export interface Told {
  readonly key: string
  readonly seq: number
  /** Of the actor, higher with each. */
  readonly life: number
}

class Teller {
  readonly #key: string
  readonly #atMostOnce: boolean
  readonly #life: number

  constructor(key: string, atMostOnce: boolean) {
    this.#key = key
    this.#atMostOnce = atMostOnce
    this.#life = here().on.ledger.nextStamp()
  }

  /** @param untilMs  it sleeps no longer than that. */
  async tell(caller: string, seq: number, sleepMs: number, untilMs = Infinity): Promise<Told> {
    const { process, on } = here()
    on.ledger.effect(this.#key, { process, caller, seq }, this.#atMostOnce)
    on.mayCrash(process)
    const forMs = Math.min(sleepMs, untilMs - process.nowMs)
    if (forMs > 0) await sleep(forMs)
    on.mayCrash(process)
    return { key: this.#key, seq, life: this.#life }
  }
}

export const RemoteTeller = remote(Teller)
export type TellerHandle = ReturnType<typeof RemoteTeller.remote>
export type TellerOptions = Parameters<typeof RemoteTeller.options>[0]

/** Makes one that outlives it, on that node if it can be there. */
export const makesDetached = remote((name: string, nodeId: string, options: TellerOptions) => {
  const schedulingStrategy = nodeAffinity(nodeId, { soft: true })
  const detached = { ...options, schedulingStrategy, lifetime: 'detached' } as const
  return { teller: RemoteTeller.options(detached).remote(name, false) }
})

/** Says a name, late. */
const laterNamed = remote(async (name: string, afterMs: number): Promise<string> => {
  await sleep(afterMs)
  return name
})

/** Has an actor made that waits for its argument so long, and gives its handle away meanwhile. */
export const makesLate = remote(
  (name: string, afterMs: number): { readonly pid: number; readonly teller: TellerHandle } => ({
    pid: here().process.pid,
    teller: RemoteTeller.remote(laterNamed.remote(name, afterMs), false),
  }),
)

/**
 * The same, and goes on until that actor has answered, or it knows why it does not. Its handle is
 * shown to the whole simulation.
 */
export const makesLateAndStays = remote(async (name: string, afterMs: number): Promise<string> => {
  const { process, on } = here()
  const teller = RemoteTeller.remote(laterNamed.remote(name, afterMs), false)
  shown.set(name, { pid: process.pid, teller })
  on.ledger.called('its maker', 0, process)
  const ref = teller.tell.remote('its maker', 0, 0)
  try {
    return await get(ref).then(
      () => 'it was made',
      (error: unknown) => (error as Error).name,
    )
  } finally {
    ref.free()
  }
})

/** By the names of their actors, what the newest try shows. */
export const shown = new Map<string, { readonly pid: number; readonly teller: TellerHandle }>()

/** Calls an actor at once, and again after a while. */
export const tellsTwice = remote(
  async (teller: TellerHandle, caller: string, sleepMs: number): Promise<Told> => {
    const { process, on } = here()
    on.ledger.called(caller, 0, process)
    await teller.tell.run(caller, 0, 0)
    await sleep(sleepMs)
    on.ledger.called(caller, 1, process)
    return await teller.tell.run(caller, 1, 0)
  },
)

/** Calls an actor whose handle it was given, from wherever it runs. */
export const askTeller = remote(async (teller: TellerHandle, caller: string): Promise<Told> => {
  const { process, on } = here()
  on.ledger.called(caller, 0, process)
  const ref = teller.tell.remote(caller, 0, 0)
  try {
    return await get(ref)
  } finally {
    ref.free()
  }
})

const begun = new Set<string>()

/** Gives much in its first attempt, and in the next ones nothing, or an error. */
export const givesOnce = remote(async (what: Doing, then: 'NOTHING' | 'ERROR'): Promise<Value> => {
  const isFirst = !begun.has(what.key)
  begun.add(what.key)
  await sleep(what.sleepMs)
  if (!isFirst && then === 'ERROR') throw new Error('once is enough')
  return valueOf(1, isFirst ? what.sizeBytes : 0)
})

/** Gives items in its first attempt, and in the next ones none. */
export const givesItemsOnce = remote(async function* (what: Doing): AsyncGenerator<Value> {
  const isFirst = !begun.has(what.key)
  begun.add(what.key)
  if (!isFirst) throw new Error('once is enough')
  for (let i = 0; ; i += 1) {
    yield valueOf(i, what.sizeBytes)
    await sleep(what.sleepMs)
  }
})

class Sender {
  /** Has something made on that node, then something else that takes long, and reads both. */
  send(what: Doing, nodeId: string): void {
    void this.#send(what, nodeId).then(
      (digests) => sent.set(what.key, digests),
      (error: unknown) => sent.set(what.key, error),
    )
  }

  async #send(what: Doing, nodeId: string): Promise<number[]> {
    const there = combine.options({ schedulingStrategy: nodeAffinity(nodeId), maxRetries: 0 })
    const first = there.remote({ ...what, key: `${what.key}.1`, sleepMs: 0 })
    await wait([first], { numReturns: 1, fetchLocal: false })
    const second = there.remote({ ...what, key: `${what.key}.2` })
    try {
      const last = await get(second)
      return [digestOf(await get(first)), digestOf(last)]
    } finally {
      for (const ref of [first, second]) ref.free()
    }
  }
}

export const RemoteSender = remote(Sender)

/** By its key, what a sender has read in the end, or why it could not. */
export const sent = new Map<string, unknown>()

/** As much of a Keeper as another one needs. */
interface Giver {
  readonly giveAway: {
    run(what: Doing): Promise<{ readonly refs: readonly ObjectRef<Value>[] }>
  }
}

export class Keeper {
  #refs: readonly ObjectRef<Value>[] = []
  #own: TellerHandle | undefined

  keep(box: { readonly refs: readonly ObjectRef<Value>[] }): void {
    this.#refs = box.refs
  }

  /** Refs of what a task on that node lends. */
  async keepLent(what: Doing, nodeId: string): Promise<void> {
    const there = lendAll.options({ schedulingStrategy: nodeAffinity(nodeId) })
    const lending = there.remote(what, 1_000)
    const { stored, made, stamped } = await get(lending)
    for (const ref of [lending, stamped]) ref.free()
    this.#refs = [stored, made]
  }

  async read(): Promise<number[]> {
    return (await get([...this.#refs])).map(digestOf)
  }

  give(): { readonly refs: readonly ObjectRef<Value>[] } {
    return { refs: this.#refs }
  }

  /** What it has put itself, and lets go of at once. */
  async giveAway(what: Doing): Promise<{ readonly refs: readonly ObjectRef<Value>[] }> {
    await sleep(what.sleepMs)
    const ref = await put<Value>(valueOf(digestOfPart(what, 0), what.sizeBytes))
    here().process.later(0, 'lets go of what it has given', () => {
      ref.free()
    })
    return { refs: [ref] }
  }

  /** Which life of an actor of its own, on that node, answers. */
  async askOwn(nodeId: string, caller: string): Promise<number> {
    const { process, on } = here()
    on.ledger.called(caller, 0, process)
    const there = { schedulingStrategy: nodeAffinity(nodeId) }
    this.#own ??= RemoteTeller.options(there).remote('of a keeper', false)
    return (await this.#own.tell.run(caller, 0, 0)).life
  }

  /** Has nothing of it left. */
  tell(what: Doing): Value {
    return valueOf(digestOfPart(what, 0), what.sizeBytes)
  }

  /** An actor of its own. */
  make(name: string): { readonly teller: TellerHandle } {
    return { teller: RemoteTeller.remote(name, false) }
  }

  /** Has something made, and does not wait for it. */
  begin(what: Doing): { readonly ref: ObjectRef<Value> } {
    return { ref: combine.remote(what) }
  }

  /** What it has put itself, and keeps. */
  async own(what: Doing): Promise<{ readonly refs: readonly ObjectRef<Value>[] }> {
    this.#refs = [await put<Value>(valueOf(digestOfPart(what, 0), what.sizeBytes))]
    return { refs: this.#refs }
  }

  /** The same, on that node. */
  beginOn(what: Doing, nodeId: string): { readonly ref: ObjectRef<Value> } {
    return { ref: combine.options({ schedulingStrategy: nodeAffinity(nodeId) }).remote(what) }
  }

  /** What another one gives away. */
  async keepOf(giver: Giver, what: Doing): Promise<void> {
    const { refs } = await giver.giveAway.run(what)
    this.#refs = refs
  }

  /** A value that holds what it keeps beside something of its own; it keeps neither. */
  async wrap(what: Doing): Promise<{ readonly ref: ObjectRef<Wrapped> }> {
    const own = await put<Value>(valueOf(digestOfPart(what, 0), what.sizeBytes))
    const filler = new Uint8Array(what.sizeBytes)
    const ref = await put<Wrapped>({ refs: [...this.#refs, own], filler })
    here().process.later(0, 'lets go of what it has wrapped', () => {
      for (const each of [own, ref]) each.free()
      this.drop()
    })
    return { ref }
  }

  drop(): void {
    for (const ref of this.#refs) ref.free()
    this.#refs = []
  }
}

export interface Wrapped {
  readonly refs: readonly ObjectRef<Value>[]
  readonly filler: Uint8Array
}

/** Reads such a value, and what is in it. */
export const unwrap = remote(async ({ refs }: Wrapped): Promise<number[]> => {
  const values = await get([...refs])
  for (const ref of refs) ref.free()
  return values.map(digestOf)
})

/** Keeps refs for others. */
export const RemoteKeeper = remote(Keeper)
export type KeeperClass = typeof Keeper

/** Has something made on that node, and waits for it to be here once it has rested. */
export const waitsLater = remote(
  async (what: Doing, nodeId: string, restMs: number): Promise<number> => {
    const there = { schedulingStrategy: nodeAffinity(nodeId, { soft: true }) }
    const ref = combine.options(there).remote(what)
    try {
      await wait([ref], { numReturns: 1, fetchLocal: false })
      await sleep(restMs)
      await wait([ref])
      return digestOf(await get(ref))
    } finally {
      ref.free()
    }
  },
)

class Circle {
  give(what: Doing): Value {
    return valueOf(digestOfPart(what, 0), what.sizeBytes)
  }

  /** Waits for it to be here once it has rested. */
  async waitsLater({ ref }: { readonly ref: ObjectRef<Value> }, restMs: number): Promise<void> {
    await wait([ref], { numReturns: 1, fetchLocal: false })
    await sleep(restMs)
    await wait([ref])
  }
}

/** Waits for what needs itself to be made again. */
export const RemoteCircle = remote(Circle)
type CircleHandle = ReturnType<typeof RemoteCircle.remote>

export const givenBy = remote((circle: CircleHandle, what: Doing) => circle.give.run(what))

/** Refs of which somebody else is the owner. */
export interface Lent {
  /** Of their owner. */
  readonly pid: number
  readonly stored: ObjectRef<Value>
  readonly made: ObjectRef<Value>
  /** No two runs of its task give the same. */
  readonly stamped: ObjectRef<number>
}

/** Owns what it gives away, for so long. */
export const lendAll = remote(async (what: Doing, forMs: number): Promise<Lent> => {
  const { process } = here()
  const part = { ...what, sizeBytes: 0 }
  const refs = {
    stored: await put<Value>(valueOf(digestOfPart(what, 0), what.sizeBytes)),
    made: combine.remote({ ...part, key: `${what.key}.1`, sizeBytes: what.sizeBytes }),
    stamped: stamp.remote({ ...part, key: `${what.key}.2` }),
  }
  process.later(forMs, 'lets go of what it lent', () => {
    for (const ref of Object.values(refs)) ref.free()
  })
  await sleep(what.sleepMs)
  return { pid: process.pid, ...refs }
})

/** Runs so long, or until it is told to end. */
export const untilTold = remote(async (forMs: number): Promise<number> => {
  const { signal } = runtimeContext()
  const told = new Promise((resolve) => {
    signal.addEventListener('abort', resolve)
  })
  await Promise.race([sleep(forMs), told])
  return forMs
})

/** Waits for one that runs elsewhere, and hears of nothing else. */
export const waitsThere = remote(async (forMs: number): Promise<number> => {
  const ref = untilTold.options({ schedulingStrategy: 'SPREAD' }).remote(forMs)
  try {
    return await get(ref)
  } finally {
    ref.free()
  }
})

/** Reads refs that it was given, where it runs. */
export const readStamp = remote(
  async (box: { readonly ref: ObjectRef<number> }): Promise<number> => {
    try {
      return await get(box.ref)
    } finally {
      box.ref.free()
    }
  },
)
