// get and wait: from entries to values.
// Invariants:
//   G1. A wait ends: by completion, its time-out, its signal, or a typed error of what it waits
//   for.
//   G2. get throws the first failure at once; wait keeps the order of its input.
//   G3. While a task waits for something pending, its worker is reported blocked: its CPU is free.
// Source: Ray core_worker.cc (Get, Wait, NotifyDirectCallTaskBlocked).
import type { GetSpecOptions, WaitSpecOptions } from '../common/call-options.ts'
import type { Clock, Timer } from '../common/clock.ts'
import { GetTimeoutError, UsageError } from '../common/errors.ts'
import type { ValueCodec } from '../protocol/value-codec.ts'
import { captureCallSite, type CallSite } from './call-site.ts'
import { BLOB, FAILED, STORED, VALUE, type ObjectEntry, type StoredAt } from './object-entry.ts'
import { entryOf, type ObjectRef } from './object-ref.ts'
import type { StoreClient } from './store-client.ts'

const CALL_SITE_EVERY_MS = 1

export interface GetterDeps {
  readonly clock: Clock
  readonly codec: ValueCodec
  readonly store: StoreClient
  /** @throws ForeignRefError, ObjectFreedError */
  entryOf(this: void, ref: ObjectRef): ObjectEntry
  /** Finishes an error for the user: call site, frames in the user's source. */
  present(error: unknown, site: CallSite): unknown
  /** Asks the owner of a borrowed entry for its value. */
  resolve(entry: ObjectEntry): void
  /** Reports this task as blocked on these entries; the result ends the report. A deadlock found
   *  meanwhile is told to `fail`. */
  block(entries: readonly ObjectEntry[], fail?: (error: Error) => void): () => void
}

export class Getter {
  readonly #deps: GetterDeps
  #nextCallSiteAtMs = 0

  constructor(deps: GetterDeps) {
    this.#deps = deps
  }

  async getOne(ref: ObjectRef, options: Partial<GetSpecOptions> = {}): Promise<unknown> {
    const entry = this.#deps.entryOf(ref)
    if (entry.state === VALUE) return entry.value
    const site = this.#callSiteNow()
    try {
      if (entry.pending) await this.#complete([entry], options)
      return await this.#read(entry, options.copy ?? false)
    } catch (error) {
      throw this.#deps.present(error, site ?? captureCallSite())
    }
  }

  async getMany(
    refs: readonly ObjectRef[],
    options: Partial<GetSpecOptions> = {},
  ): Promise<unknown[]> {
    const entries = refs.map(this.#deps.entryOf)
    const site = this.#callSiteNow()
    try {
      for (const entry of entries) if (entry.state === FAILED) throw entry.value
      if (entries.some((entry) => entry.pending)) await this.#complete(entries, options)
      const values: unknown[] = []
      const copy = options.copy ?? false
      for (const entry of entries) {
        values.push(entry.state === VALUE ? entry.value : await this.#read(entry, copy))
      }
      return values
    } catch (error) {
      throw this.#deps.present(error, site ?? captureCallSite())
    }
  }

  async wait(
    refs: readonly ObjectRef[],
    options: Partial<WaitSpecOptions> = {},
  ): Promise<[ready: ObjectRef[], pending: ObjectRef[]]> {
    const numReturns = options.numReturns ?? 1
    const entries = refs.map(this.#deps.entryOf)
    checkWait(refs, numReturns)
    const split = (): [ObjectRef[], ObjectRef[]] => splitReady(refs, entries, numReturns)
    if (options.signal?.aborted === true) throw options.signal.reason
    for (const entry of entries) if (entry.pending) this.#deps.resolve(entry)
    if (countReady(entries) >= numReturns || options.timeoutMs === 0) return split()
    await this.#until(entries, options, {
      enough: () => countReady(entries) >= numReturns,
      onTimeout: 'return',
    })
    return split()
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

  async #complete(
    entries: readonly ObjectEntry[],
    options: Partial<GetSpecOptions>,
  ): Promise<void> {
    if (options.signal?.aborted === true) throw options.signal.reason
    for (const entry of entries) if (entry.pending) this.#deps.resolve(entry)
    let left = 0
    for (const entry of entries) if (entry.pending) left += 1
    if (left === 0) return
    if (options.timeoutMs === 0) throw timeoutError(left, entries.length, 0)
    await this.#until(entries, options, {
      enough: (entry) => entry.state === FAILED || --left === 0,
      onTimeout: 'throw',
    })
    const failed = entries.find((entry) => entry.state === FAILED)
    if (failed !== undefined) throw failed.value
  }

  #until(
    entries: readonly ObjectEntry[],
    options: Partial<Pick<GetSpecOptions, 'timeoutMs' | 'signal'>>,
    rule: { enough(entry: ObjectEntry): boolean; onTimeout: 'throw' | 'return' },
  ): Promise<void> {
    const pending = entries.filter((entry) => entry.pending)
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined
      let done = false
      const endsItself = options.timeoutMs !== undefined || rule.onTimeout === 'return'
      const finish = (error?: unknown): void => {
        if (done) return
        done = true
        timer?.cancel()
        options.signal?.removeEventListener('abort', abort)
        for (const entry of pending) if (entry.pending) entry.forgetWaiter(waiter)
        unblock()
        if (error === undefined) resolve()
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a signal's reason may
        // be any value
        else reject(error)
      }
      const waiter = (entry: ObjectEntry): void => {
        if (!done && rule.enough(entry)) finish()
      }
      const abort = (): void => {
        finish(options.signal?.reason)
      }
      const unblock = this.#deps.block(pending, endsItself ? undefined : finish)
      options.signal?.addEventListener('abort', abort, { once: true })
      const { timeoutMs } = options
      if (timeoutMs !== undefined) {
        timer = this.#deps.clock.after(timeoutMs, () => {
          if (rule.onTimeout === 'return') finish()
          else
            finish(timeoutError(entries.filter((e) => e.pending).length, entries.length, timeoutMs))
        })
      }
      for (const entry of pending) entry.whenComplete(waiter)
    })
  }

  async #read(entry: ObjectEntry, copy: boolean): Promise<unknown> {
    switch (entry.state) {
      case VALUE:
        return entry.value
      case BLOB:
        return this.#deps.codec.decode(entry.value as Uint8Array)
      case STORED: {
        const blob = await this.#deps.store.read(entry.value as StoredAt)
        return this.#deps.codec.decode(blob, { copy, view: !copy })
      }
      case FAILED:
        throw entry.value
      default:
        throw new Error('a value was read before it was complete')
    }
  }
}

function checkWait(refs: readonly ObjectRef[], numReturns: number): void {
  if (new Set(refs.map(entryOf)).size < refs.length) {
    throw new UsageError('wait() was given the same ObjectRef twice; each must be unique')
  }
  if (!Number.isInteger(numReturns) || numReturns < 1 || numReturns > refs.length) {
    throw new UsageError(
      `wait() of ${String(refs.length)} refs: numReturns must be an integer from 1 to that, ` +
        `got ${String(numReturns)}`,
    )
  }
}

function countReady(entries: readonly ObjectEntry[]): number {
  let count = 0
  for (const entry of entries) if (!entry.pending) count += 1
  return count
}

/** At most numReturns are ready; what else is complete stays in the second list, as in Ray. */
function splitReady(
  refs: readonly ObjectRef[],
  entries: readonly ObjectEntry[],
  numReturns: number,
): [ObjectRef[], ObjectRef[]] {
  const ready: ObjectRef[] = []
  const pending: ObjectRef[] = []
  for (const [i, ref] of refs.entries()) {
    const entry = entries[i] as ObjectEntry
    if (!entry.pending && ready.length < numReturns) ready.push(ref)
    else pending.push(ref)
  }
  return [ready, pending]
}

function timeoutError(missing: number, total: number, timeoutMs: number): GetTimeoutError {
  return new GetTimeoutError(
    `get() waited ${String(timeoutMs)} ms and ${String(missing)} of ${String(total)} values are ` +
      'still missing; wait longer, or see with `virga status --why` what they wait for',
    { data: { timeoutMs, missing, total } },
  )
}
