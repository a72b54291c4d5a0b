// The one retry budget of a process towards the GCS: a bucket of tokens, filled by calls and, very
// slowly, by time. When everything fails, calls cause at most a fifth as many retries; a lone
// caller still gets through in the end.
// Source: AWS SDK standard retry mode (retry quota); faults.md F23, F28: retries <= 1.2 x calls.

export const RETRY_TOKENS_MAX = 50
const TOKENS_PER_CALL = 0.2
const TOKENS_PER_MS = 0.5 / 1000

export class RetryBudget {
  #tokens = RETRY_TOKENS_MAX
  #filledAtMs: number

  /** @param nowMs  monotonic */
  constructor(nowMs: number) {
    this.#filledAtMs = nowMs
  }

  /** A first attempt begins. */
  called(nowMs: number): void {
    this.#fill(nowMs, TOKENS_PER_CALL)
  }

  /** Whether a retry may be made now; takes its token. */
  take(nowMs: number): boolean {
    this.#fill(nowMs, 0)
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  #fill(nowMs: number, extra: number): void {
    const byTime = (nowMs - this.#filledAtMs) * TOKENS_PER_MS
    this.#filledAtMs = nowMs
    this.#tokens = Math.min(RETRY_TOKENS_MAX, this.#tokens + byTime + extra)
  }
}
