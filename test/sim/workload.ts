// The remote functions and classes of the simulated programs. Every one tells the ledger what it
// does, takes virtual time, and gives a value that can be checked: a digest of its name and of its
// arguments, as a number or as the pattern of a large array.
import { exitActor, get, put, remote, type ObjectRef } from '../../sdk/index.ts'
import { currentWorker } from '../../sdk/current.ts'
import { mixText } from './draw.ts'
import type { Ledger } from './ledger.ts'
import type { JudgedLimit } from './limits-ledger.ts'
import type { SimProcess } from './process.ts'

export type Value = number | Uint8Array

/** What a task is told to do. */
export interface Doing {
  readonly key: string
  /** Virtual milliseconds that it waits, and that it keeps its CPU. */
  readonly sleepMs: number
  readonly spinMs: number
  /** Bytes of its result; 0 for a number. */
  readonly sizeBytes: number
  readonly atMostOnce: boolean
}

export interface Stage {
  readonly ledger: Ledger
  processOf(pid: number): SimProcess
  /** A fault may strike the process here: before or after what a task did. */
  mayCrash(process: SimProcess): void
}

let stage: Stage | undefined

/** The run whose functions these are now. */
export function setStage(next: Stage | undefined): void {
  stage = next
}

/** The process of the task that runs now. */
export function here(): { readonly process: SimProcess; readonly on: Stage } {
  if (stage === undefined) throw new Error('no simulation runs')
  return { process: stage.processOf(currentWorker('a task').options.pid), on: stage }
}

export function sleep(ms: number): Promise<void> {
  const { process } = here()
  return new Promise((resolve) => {
    process.later(ms, 'sleeps', resolve)
  })
}

/** Where actors of all drivers compete for one name. */
export const SHARED_NAMESPACE = 'shared'

const HEAD_BYTES = 4

export function valueOf(digest: number, sizeBytes: number): Value {
  if (sizeBytes === 0) return digest
  const bytes = new Uint8Array(sizeBytes).fill(digest & 0xff)
  new DataView(bytes.buffer).setUint32(0, digest)
  return bytes
}

/** @returns NaN for bytes that are not what valueOf made. */
export function digestOf(value: unknown): number {
  if (typeof value === 'number') return value
  if (!(value instanceof Uint8Array) || value.byteLength < HEAD_BYTES) return Number.NaN
  const digest = new DataView(value.buffer, value.byteOffset).getUint32(0)
  const body = value.subarray(HEAD_BYTES)
  for (let at = 0; at < body.length; at += 997) if (body[at] !== (digest & 0xff)) return Number.NaN
  return digest
}

export const combined = (key: string, digests: readonly number[]): number =>
  mixText(`${key}(${digests.join()})`)

async function doing<T>(what: Doing, run: () => Promise<T> | T): Promise<T> {
  const { process, on } = here()
  on.ledger.began(what.key, what.atMostOnce, process)
  if (what.spinMs > 0) process.spin(what.spinMs)
  if (what.sleepMs > 0) await sleep(what.sleepMs)
  const value = await run()
  on.ledger.ended(what.key)
  on.mayCrash(process)
  return value
}

async function getAll(refs: readonly ObjectRef<Value>[]): Promise<number[]> {
  try {
    return (await get(refs)).map(digestOf)
  } finally {
    for (const ref of refs) ref.free()
  }
}

export const combine = remote((what: Doing, ...values: Value[]) =>
  doing(what, () => valueOf(combined(what.key, values.map(digestOf)), what.sizeBytes)),
)

/** The same, as a function that has ended when it returns. */
export const quick = remote((what: Doing, ...values: Value[]) => {
  const { on, process } = here()
  on.ledger.began(what.key, what.atMostOnce, process)
  process.spin(what.spinMs)
  on.ledger.ended(what.key)
  on.mayCrash(process)
  return valueOf(combined(what.key, values.map(digestOf)), what.sizeBytes)
})

const inner = remote((what: Doing) =>
  doing(what, () => valueOf(combined(what.key, []), what.sizeBytes)),
)

const partOf = (what: Doing, i: number): Doing => ({
  ...what,
  key: `${what.key}.${String(i)}`,
  sizeBytes: i % 2 === 0 ? what.sizeBytes : 0,
})

export const digestOfPart = (what: Doing, i: number): number => combined(partOf(what, i).key, [])

/** Submits tasks of its own and waits for them. */
export const fanOut = remote((what: Doing, count: number) =>
  doing(what, async () => {
    const refs = Array.from({ length: count }, (_, i) => inner.remote(partOf(what, i)))
    return valueOf(combined(what.key, await getAll(refs)), 0)
  }),
)

/** Gets refs that came inside a value. */
export const openBox = remote((what: Doing, box: { readonly refs: readonly ObjectRef<Value>[] }) =>
  doing(what, async () => valueOf(combined(what.key, await getAll(box.refs)), what.sizeBytes)),
)

/** Gives away refs to what it made: it stays their owner. */
export const lend = remote((what: Doing) =>
  doing(what, async () => {
    const stored = await put<Value>(valueOf(digestOfPart(what, 0), what.sizeBytes))
    const made = inner.remote({ ...partOf(what, 1), sizeBytes: 0 })
    const { process } = here()
    process.later(what.sleepMs, 'lets go of what it lent', () => {
      stored.free()
      made.free()
    })
    return { refs: [stored, made] }
  }),
)

/** Passes on refs that it was given inside a value: it is neither their owner nor their end. */
export const passOn = remote((what: Doing, box: { readonly refs: readonly ObjectRef<Value>[] }) =>
  doing(what, () => {
    const { process } = here()
    process.later(what.sleepMs, 'lets go of what it passed on', () => {
      for (const ref of box.refs) ref.free()
    })
    return { refs: box.refs }
  }),
)

/** Gives several values, each a ref of its own. */
export const several = remote((what: Doing, count: number) =>
  doing(what, () => {
    const parts = Array.from({ length: count }, (_, i) => partOf(what, i))
    return parts.map((part) => valueOf(combined(part.key, []), part.sizeBytes))
  }),
)

/** Yields refs to what it made. */
export const refStream = remote(async function* refStream(what: Doing, count: number) {
  const { on, process } = here()
  on.ledger.began(what.key, what.atMostOnce, process)
  for (let i = 0; i < count; i += 1) {
    await sleep(what.sleepMs)
    const ref = await put<Value>(valueOf(digestOfPart(what, i), partOf(what, i).sizeBytes))
    yield { ref }
    ref.free()
  }
  on.ledger.ended(what.key)
})

/** A value of which no two are the same: all who read it must see the same one. */
export const stamp = remote((what: Doing) => doing(what, () => here().on.ledger.nextStamp()))

export const fails = remote((what: Doing, attempts: number) =>
  doing(what, () => {
    const { attempt } = currentWorker('a task').scope().parts
    if (attempt < attempts) throw new RangeError(`${what.key} fails in attempt ${String(attempt)}`)
    return combined(what.key, [])
  }),
)

export const stream = remote(async function* stream(what: Doing, count: number) {
  const { on, process } = here()
  on.ledger.began(what.key, what.atMostOnce, process)
  for (let i = 0; i < count; i += 1) {
    await sleep(what.sleepMs)
    on.mayCrash(process)
    yield valueOf(digestOfPart(what, i), partOf(what, i).sizeBytes)
  }
  on.ledger.ended(what.key)
})

/** Of a task under a limiter, where there are several nodes. */
export interface LimitedBy {
  /** The driver whose node counts its tokens. */
  readonly ownerPid: number
  /** It sleeps no longer than that. */
  readonly untilMs: number
}

export const limited = remote((what: Doing, limit: JudgedLimit, by?: LimitedBy) =>
  doing({ ...what, sleepMs: 0 }, async () => {
    const { on, process } = here()
    const owner = by === undefined ? {} : { owner: on.processOf(by.ownerPid) }
    const leave = on.ledger.limits.began(limit, { key: what.key, process, ...owner })
    const leftMs = (by?.untilMs ?? Infinity) - process.nowMs
    await sleep(Math.min(what.sleepMs, Math.max(0, leftMs)))
    leave()
    return combined(what.key, [])
  }),
)

/** Counts calls, and remembers who made them. */
class Account {
  count = 0
  readonly #key: string
  readonly #atMostOnce: boolean
  #kept: ObjectRef<Value> | undefined

  constructor(key: string, atMostOnce: boolean) {
    this.#key = key
    this.#atMostOnce = atMostOnce
  }

  async take(caller: string, seq: number, sleepMs: number): Promise<number> {
    const { process, on } = here()
    on.ledger.effect(this.#key, { process, caller, seq }, this.#atMostOnce)
    this.count += 1
    on.mayCrash(process)
    if (sleepMs > 0) await sleep(sleepMs)
    on.mayCrash(process)
    return seq
  }

  /** Keeps a ref beyond the call that brought it. */
  keep(box: { readonly ref: ObjectRef<Value> }): void {
    this.#kept?.free()
    this.#kept = box.ref
  }

  async readKept(): Promise<number> {
    const kept = this.#kept
    return kept === undefined ? 0 : digestOf(await get(kept))
  }

  letGo(): void {
    this.#kept?.free()
    this.#kept = undefined
  }

  leave(): void {
    exitActor()
  }
}

export const RemoteAccount = remote(Account)
export type AccountHandle = ReturnType<typeof RemoteAccount.remote>

/** Calls an actor whose handle it was given. */
export const callActor = remote(
  (what: Doing, actor: AccountHandle, caller: string, count: number) =>
    doing(what, async () => {
      const refs = Array.from({ length: count }, (_, i) => actor.take.remote(caller, i, 0))
      const seqs = await get(refs)
      for (const ref of refs) ref.free()
      return combined(what.key, seqs)
    }),
)

/** Gives its value once, and can never make it again. */
export const onlyOnce = remote((what: Doing) =>
  doing(what, () => {
    const { attempt } = currentWorker('a task').scope().parts
    if (attempt > 0) throw new RangeError(`${what.key} cannot be made again`)
    return valueOf(combined(what.key, []), what.sizeBytes)
  }),
)
