// get and wait: from entries to values.
// Invariants:
//   GE1. A wait ends: by completion, its time-out, its signal, or a typed error of what it waits
//        for. So does reading what is complete: it may lie at a silent node, or wait for room.
//   GE2. get throws the first failure at once, and of values that cannot be read the first in
//        order; wait keeps the order of its input.
//   GE3. While a task waits for something pending, its worker is reported blocked: its CPU is free.
//        What a wait fetches may become that: its node may be gone.
//   GE4. What a get reads from the store comes READS_AT_ONCE_MAX at a time, not one after another.
//   GE5. Ready is what is on this node: wait fetches what is not, unless told not to.
//   GE6. What a get reads, and what is inside, is held until it ends: its refs may be freed
//        meanwhile.
// Source: Ray core_worker.cc (Get, Wait, NotifyDirectCallTaskBlocked).
import type { GetSpecOptions, WaitSpecOptions } from '../common/call-options.ts'
import type { Clock } from '../common/clock.ts'
import { UsageError } from '../common/errors.ts'
import { READS_AT_ONCE_MAX } from '../common/limits.ts'
import type { Beside, ValueCodec } from '../protocol/value-codec.ts'
import { boundedWait } from './bounded-wait.ts'
import { captureCallSite, type CallSite } from './call-site.ts'
import { notComplete, notRead, notWritten } from './get-timeouts.ts'
import { BLOB, FAILED, STORED, VALUE, type ObjectEntry, type StoredAt } from './object-entry.ts'
import type { ObjectRef } from './object-ref.ts'
import type { StoreClient } from './store-client.ts'
import { decodeStored } from './stored-blob.ts'
import {
  isComplete,
  untilReady,
  type UntilReadyDeps,
  type WaitBounds,
  type WaitRule,
} from './until-ready.ts'

const CALL_SITE_EVERY_MS = 1
/** GE1. What is complete as the time is over is given so long to be read. */
const READ_MS_MIN = 500

export interface GetterDeps extends UntilReadyDeps {
  readonly codec: ValueCodec
  readonly store: StoreClient
  /** @throws ForeignRefError, ObjectFreedError */
  entryOf(this: void, ref: ObjectRef): ObjectEntry
  /** Counts who needs these besides their handles. */
  use(this: void, entries: readonly ObjectEntry[], by: 1 | -1): void
  /** Finishes an error for the user: call site, frames in the user's source. */
  present(this: void, error: unknown, site: CallSite): unknown
  /** A stored entry could not be read. @returns whether it will be complete again */
  lost(entry: ObjectEntry, error: unknown, beside: readonly ObjectEntry[]): boolean
  /** Asks the owner of a borrowed entry for its value. @param reads  it is read here then */
  resolve(entry: ObjectEntry, reads: boolean): void
  /** Where there are several nodes: it has been read from the store of this one. */
  readonly hasRead?: ((stored: StoredAt) => void) | undefined
  /** In a durable job: resolves when what makes the results again is in the GCS. */
  readonly commits?: (() => Promise<void> | undefined) | undefined
}

export class Getter {
  readonly #deps: GetterDeps
  #nextCallSiteAtMs = 0
  #waitCount = 0

  constructor(deps: GetterDeps) {
    this.#deps = deps
  }

  async getOne(ref: ObjectRef, options: Partial<GetSpecOptions> = {}): Promise<unknown> {
    const entry = this.#deps.entryOf(ref)
    refuseAborted(options)
    const { commits } = this.#deps
    if (entry.state === VALUE && commits === undefined) return entry.value
    return await this.#holding([entry], options, async (reading) => {
      if (entry.pending) await this.#complete([entry], options)
      if (commits !== undefined) await this.#committed(reading)
      const value = this.#read(entry, reading)
      return value instanceof Promise ? await this.#inTime<unknown>(value, reading) : value
    })
  }

  async getMany(
    refs: readonly ObjectRef[],
    options: Partial<GetSpecOptions> = {},
  ): Promise<unknown[]> {
    const entries = refs.map(this.#deps.entryOf)
    refuseAborted(options)
    return await this.#holding(entries, options, async (reading) => {
      for (const entry of entries) if (entry.state === FAILED) throw entry.value
      if (entries.some((entry) => entry.pending)) {
        await this.#complete(entries, options)
        for (const entry of entries) if (entry.state === FAILED) throw entry.value
      }
      if (this.#deps.commits !== undefined) await this.#committed(reading)
      return await this.#inTime(this.#readAll(entries, reading), reading)
    })
  }

  async wait(
    refs: readonly ObjectRef[],
    options: Partial<WaitSpecOptions> = {},
  ): Promise<[ready: ObjectRef[], pending: ObjectRef[]]> {
    const numReturns = options.numReturns ?? 1
    if (refs.length === 0) throw new UsageError('wait() was given no refs: give it one at least')
    const { entryOf, local } = this.#deps
    const isReady = options.fetchLocal === false || !local.hasNodes ? isComplete : local.has
    const missing = numReturns - this.#countReadyOnce(refs, isReady)
    refuseAborted(options)
    if (missing <= 0) return splitReady(refs, numReturns, (ref) => isReady(entryOf(ref)))
    const entries = refs.map(entryOf)
    for (const entry of entries) if (entry.pending) this.#deps.resolve(entry, false)
    await this.#untilReady(entries, { ...options, numReturns }, isReady)
    return splitReady(refs, numReturns, (_ref, at) => isReady(entries[at] as ObjectEntry))
  }

  /** GE5. */
  async #untilReady(
    entries: readonly ObjectEntry[],
    options: Partial<WaitSpecOptions> & { readonly numReturns: number },
    isReady: typeof isComplete,
  ): Promise<void> {
    let missing = options.numReturns
    for (const entry of entries) if (isReady(entry)) missing -= 1
    if (missing <= 0) return
    const isAway = (entry: ObjectEntry): boolean => !entry.pending && !isReady(entry)
    const away = isReady === isComplete ? undefined : entries.filter(isAway)
    // A loop of looks that do not wait has them fetched as well.
    if (options.timeoutMs === 0 && (away ?? []).length === 0) return
    await this.#until(entries, options, {
      missing,
      onTimeout: 'return',
      ...(away === undefined ? {} : { isReady, away }),
    })
  }

  /** Of refs that must all differ: marked, because programs wait in loops, on what is left of a
   *  thousand refs, and a Set of them each time, or a list, would be most of the work. */
  #countReadyOnce(refs: readonly ObjectRef[], isReady: typeof isComplete): number {
    const { entryOf } = this.#deps
    const mark = ++this.#waitCount
    let count = 0
    for (const ref of refs) {
      const entry = entryOf(ref)
      if (entry.waitMark === mark) {
        throw new UsageError('wait() was given the same ObjectRef twice; each must be unique')
      }
      entry.waitMark = mark
      if (isReady(entry)) count += 1
    }
    return count
  }

  /** Walking a stack of optimised frames takes 8 µs, half of what a lone task costs its driver. So
   *  it is done once a millisecond; in between, the stack is taken when something failed, and then
   *  has the callers that await: only one that does not await is found by the walk alone. */
  #callSiteNow(): CallSite | undefined {
    const nowMs = this.#deps.clock.monotonicMs()
    if (nowMs < this.#nextCallSiteAtMs) return undefined
    this.#nextCallSiteAtMs = nowMs + CALL_SITE_EVERY_MS
    return captureCallSite()
  }

  /** Waits until all are complete, or one has failed. */
  #complete(
    entries: readonly ObjectEntry[],
    options: Partial<GetSpecOptions>,
  ): Promise<void> | undefined {
    for (const entry of entries) if (entry.pending) this.#deps.resolve(entry, true)
    const missing = entries.length - countReady(entries)
    if (missing === 0) return undefined
    if (options.timeoutMs === 0) throw notComplete(missing, entries.length, 0)
    return this.#until(entries, options, { missing, onTimeout: 'throw' })
  }

  #until(entries: readonly ObjectEntry[], options: WaitBounds, rule: WaitRule): Promise<void> {
    return untilReady(entries, options, { ...rule, deps: this.#deps })
  }

  /** GE6. What it fails with is finished for the user. */
  async #holding<T>(
    entries: readonly ObjectEntry[],
    options: Partial<GetSpecOptions>,
    read: (reading: Reading) => Promise<T>,
  ): Promise<T> {
    const { use, present } = this.#deps
    const site = this.#callSiteNow()
    use(entries, 1)
    try {
      return await read(this.#reading(entries, options))
    } catch (error) {
      throw present(error, site ?? captureCallSite())
    } finally {
      use(entries, -1)
    }
  }

  /** @param options  of which a time-out counts from now. */
  #reading(entries: readonly ObjectEntry[], options: Partial<GetSpecOptions>): Reading {
    const { timeoutMs } = options
    const reading = { entries, options, sizeBytes: 0, isLasting: false, isOver: false }
    if (timeoutMs === undefined) return reading
    return { ...reading, untilMs: this.#deps.clock.monotonicMs() + timeoutMs }
  }

  /** What a value refers to is known here as long as the value is: nothing is looked up for it. */
  #read(entry: ObjectEntry, reading: Reading): unknown {
    const known = entry.sharing?.contained
    switch (entry.state) {
      case VALUE:
        return entry.value
      case BLOB: {
        const blob = entry.value as Uint8Array
        return this.#deps.codec.decode(blob, { known, beside: reading })
      }
      case STORED: {
        const { codec, store, hasRead } = this.#deps
        const { copy = false } = reading.options
        const stored = entry.value as StoredAt
        return store.read(stored).then(
          (blob) => {
            hasRead?.(stored)
            return decodeStored(codec, blob, { copy, known, beside: reading })
          },
          (error: unknown) => this.#readAgain(entry, reading, error),
        )
      }
      case FAILED:
        throw entry.value
      default:
        return this.#complete([entry], leftOf(reading, this.#deps.clock))?.then(() =>
          this.#read(entry, reading),
        ) // it was lost while others were awaited
    }
  }

  /** GE4. Each is decoded as it comes, so that it holds no room while it waits for those before it. */
  async #readAll(entries: readonly ObjectEntry[], reading: Reading): Promise<unknown[]> {
    const values: unknown[] = []
    for (let at = 0; at < entries.length; at += 1) {
      const end = Math.min(entries.length, at + READS_AT_ONCE_MAX)
      while (values.length < end) {
        const value = this.#readAhead(entries[values.length] as ObjectEntry, reading)
        // If it fails, it is told in its turn, or not at all where another has failed before.
        if (value instanceof Promise) value.catch(() => undefined)
        values.push(value)
      }
      const value = values[at]
      if (value instanceof Promise) values[at] = await value
      if (reading.isOver) break
    }
    return values
  }

  /** What cannot be decoded throws at once: it is told in its turn, too. */
  #readAhead(entry: ObjectEntry, reading: Reading): unknown {
    try {
      return this.#read(entry, reading)
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** GE1. */
  async #inTime<T>(read: Promise<T>, reading: Reading): Promise<T> {
    const { options, entries } = reading
    if (options.timeoutMs === undefined && options.signal === undefined) return await read
    const { clock } = this.#deps
    const { timeoutMs = Infinity } = leftOf(reading, clock)
    const bounds = {
      ...(timeoutMs === Infinity ? {} : { timeoutMs: Math.max(timeoutMs, READ_MS_MIN) }),
      signal: options.signal,
      timedOut: () => notRead(entries.length, options.timeoutMs),
    }
    try {
      return await boundedWait(read, clock, bounds)
    } finally {
      reading.isOver = true
    }
  }

  /** GE1. In a durable job a value is told once what came before it is written: an upload, maybe. */
  async #committed(reading: Reading): Promise<void> {
    const { clock, commits } = this.#deps
    const committing = commits?.()
    if (committing === undefined) return
    const timedOut = (): Error => notWritten(reading.options.timeoutMs)
    await boundedWait(committing, clock, { ...leftOf(reading, clock), timedOut })
  }

  /** A stored value could not be read: it may be complete again, in another place. */
  async #readAgain(entry: ObjectEntry, reading: Reading, error: unknown): Promise<unknown> {
    if (reading.isOver || !this.#deps.lost(entry, error, reading.entries)) throw error
    await this.#complete([entry], leftOf(reading, this.#deps.clock))
    return await this.#read(entry, reading)
  }
}

/** One get, as what it reads needs to know it. */
interface Reading extends Beside {
  readonly entries: readonly ObjectEntry[]
  readonly options: Partial<GetSpecOptions>
  /** On the monotonic clock. */
  readonly untilMs?: number
  /** It has ended: nothing more is read for it. */
  isOver: boolean
}

function leftOf({ options, untilMs }: Reading, clock: Clock): Partial<GetSpecOptions> {
  if (untilMs === undefined) return options
  return { ...options, timeoutMs: Math.max(0, untilMs - clock.monotonicMs()) }
}

function countReady(entries: readonly ObjectEntry[]): number {
  let count = 0
  for (const entry of entries) if (!entry.pending) count += 1
  return count
}

/** At most numReturns are ready; what else is complete stays in the second list, as in Ray. */
function splitReady(
  refs: readonly ObjectRef[],
  numReturns: number,
  isReadyAt: (ref: ObjectRef, at: number) => boolean,
): [ObjectRef[], ObjectRef[]] {
  const ready: ObjectRef[] = []
  const before: ObjectRef[] = []
  let at = 0
  for (; at < refs.length && ready.length < numReturns; at += 1) {
    const ref = refs[at] as ObjectRef
    if (isReadyAt(ref, at)) ready.push(ref)
    else before.push(ref)
  }
  const after = refs.slice(at)
  return [ready, before.length === 0 ? after : before.concat(after)]
}

function refuseAborted({ signal }: { readonly signal?: AbortSignal | undefined }): void {
  if (signal?.aborted === true) throw signal.reason
}
