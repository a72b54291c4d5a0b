// Attempts at one call to the GCS: repeated with capped exponential back-off and full jitter,
// within the budget that all calls share and a deadline of its own. The only layer that retries:
// those of the AWS SDK are off.
// Invariants:
//   AT1. A final failure is thrown at once, as its meaning.
//   AT2. Once an attempt may have been applied, the call says so for ever: `unsure` to the attempts
//       that follow, and GcsWriteUnknownError, not GcsUnavailableError, when it gives up.
//   AT3. Every wait ends: no call lasts longer than its deadline plus one attempt.
import type { Clock } from '../common/clock.ts'
import { delay } from '../common/clock.ts'
import { GcsUnavailableError, GcsWriteUnknownError } from '../common/errors.ts'
import type { Log } from '../common/log.ts'
import type { Random } from '../common/random.ts'
import type { RetryBudget } from './retry-budget.ts'

const BACKOFF_MS_MIN = 25
const BACKOFF_MS_MAX = 2_000
const LOG_EVERY_MS = 60_000
/** Well above a heartbeat's period and below DynamoDB's ten minutes for a transaction's token. */
const CALL_DEADLINE_MS = 20_000

/** What a failed attempt means. */
export type FailureKind =
  /** Nothing was done: throttled, refused, in conflict. */
  | 'NOT_DONE'
  /** It may have been done: a time-out, a broken answer, an error of the server. */
  | 'MAYBE_DONE'
  /** Repeating it cannot help. */
  | 'FINAL'

export interface Failure {
  readonly kind: FailureKind
  readonly error: Error
}

/** What a client of the GCS needs of its process. */
export interface ClientDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

export interface AttemptsDeps extends ClientDeps {
  /** One for all that this process asks of the GCS. */
  readonly budget: RetryBudget
}

export interface Call<T> {
  /** For messages: `putIf of cluster/N#3/ab12`. */
  readonly name: string
  readonly writes: boolean
  /** @param unsure  an earlier attempt may have been applied. */
  readonly attempt: (unsure: boolean) => Promise<T>
}

export class Attempts {
  readonly #deps: AttemptsDeps
  readonly #explain: (error: unknown) => Failure
  readonly #deadlineMs: number
  #loggedAtMs = -Infinity
  #unlogged = 0

  /** @param explain  translates what an attempt threw; errors of Virga are to pass as FINAL. */
  constructor(
    deps: AttemptsDeps,
    explain: (error: unknown) => Failure,
    deadlineMs = CALL_DEADLINE_MS,
  ) {
    this.#deps = deps
    this.#explain = explain
    this.#deadlineMs = deadlineMs
  }

  /** @throws GcsUnavailableError, GcsWriteUnknownError, or what a final failure means. */
  async run<T>(call: Call<T>): Promise<T> {
    const { clock, budget } = this.#deps
    const endMs = clock.monotonicMs() + this.#deadlineMs
    budget.called(clock.monotonicMs())
    let unsure = false
    for (let retries = 0; ; retries++) {
      try {
        return await call.attempt(unsure)
      } catch (thrown) {
        const { kind, error } = this.#explain(thrown)
        if (kind === 'FINAL') throw error // AT1
        unsure ||= kind === 'MAYBE_DONE' && call.writes
        this.#tell(call.name, error)
        if (!(await this.#mayRetry(retries, endMs))) throw gaveUp(call.name, unsure, error)
      }
    }
  }

  /** Waits, and takes a token of the budget; false when the deadline comes first. */
  async #mayRetry(retries: number, endMs: number): Promise<boolean> {
    const { clock, random, budget } = this.#deps
    for (let waits = retries; ; waits++) {
      const capMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(waits, 10))
      const waitMs = BACKOFF_MS_MIN + random.next() * capMs
      if (clock.monotonicMs() + waitMs > endMs) return false
      await delay(clock, waitMs)
      if (budget.take(clock.monotonicMs())) return true
    }
  }

  /** F23: once a minute, however many fail. */
  #tell(name: string, error: Error): void {
    const nowMs = this.#deps.clock.monotonicMs()
    this.#unlogged += 1
    if (nowMs - this.#loggedAtMs < LOG_EVERY_MS) return
    const fields = { call: name, error: String(error), failures: this.#unlogged }
    this.#deps.log.warn('a call to the GCS failed and is repeated', fields)
    this.#loggedAtMs = nowMs
    this.#unlogged = 0
  }
}

function gaveUp(name: string, unsure: boolean, cause: Error): Error {
  if (unsure) return unknownWrite(name, cause)
  return new GcsUnavailableError(
    `${name} failed, nothing was changed (${cause.message}); try again later`,
    { cause, data: { call: name } },
  )
}

export function unknownWrite(name: string, cause: unknown): GcsWriteUnknownError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new GcsWriteUnknownError(
    `${name} may have been applied (${why}); read the row before going on`,
    { cause, data: { call: name } },
  )
}

/** The GCS did not do it, or nobody knows: what may be repeated is repeated later. */
export const isOutage = (error: unknown): error is GcsUnavailableError | GcsWriteUnknownError =>
  error instanceof GcsUnavailableError || error instanceof GcsWriteUnknownError
