// What workers print, on its way to the driver of their job and to the session's log files.
//   bytes ──split──► lines ──► log file (all of them)
//                      └─────► driver (as many as the budget allows, batched)
// Invariants:
//   O1. Memory stays flat however much is printed: a worker whose lines are not taken by the log
//       file or by its driver fast enough is not read on (its pipe fills, its writes wait).
//   O2. What a driver does not get is counted and marked in its place: '... N lines dropped'.
//   O3. Lines of one stream of one worker stay in order.
// Source: Ray log_monitor.py (prefix, dropped lines).
import type { Clock } from '../common/clock.ts'
import {
  OUTPUT_BYTES_PER_SECOND_MAX,
  OUTPUT_LINE_BYTES_MAX,
  STDERR_TAIL_LINES,
} from '../common/limits.ts'
import type { OutputLine } from '../protocol/messages.ts'

type Stream = 'stdout' | 'stderr'

/** Where lines go to stay. While it is busy it cannot keep up, and should be given no more. */
export interface LogSink {
  write(text: string): void
  isBusy(): boolean
  /** Set by whoever writes: called when it is busy no longer. */
  onDrained: (() => void) | undefined
  close(): void
}

/** One worker as its output is concerned. */
export interface OutputSource {
  readonly pid: () => number
  /** What the worker is doing, as users know it: `square`, `Counter`. */
  readonly name: () => string
  readonly pause: () => void
  readonly resume: () => void
}

export interface OutputDeps {
  readonly clock: Clock
  readonly log: LogSink
  /** Gives lines to the driver; false when it has too much unsent and must be spared. */
  readonly forward: (lines: readonly OutputLine[]) => boolean
}

interface StreamState {
  readonly decoder: { decode(bytes?: Uint8Array, options?: { stream: boolean }): string }
  rest: string
  /** The rest of a line that was cut is skipped. */
  cutting: boolean
}

/** Lines of one worker travel together for so long. */
const OUTPUT_BATCH_MS = 50
const BATCH_BYTES_MAX = 256 * 1024

/** The output of one worker. */
export class WorkerOutput {
  readonly #deps: OutputDeps
  readonly #source: OutputSource
  readonly #streams: Readonly<Record<Stream, StreamState>> = {
    stdout: { decoder: new TextDecoder(), rest: '', cutting: false },
    stderr: { decoder: new TextDecoder(), rest: '', cutting: false },
  }
  readonly #tail: string[] = []
  #batch: OutputLine[] = []
  #batchBytes = 0
  #timer: { cancel(): void } | undefined
  #paused = false
  #budgetBytes = OUTPUT_BYTES_PER_SECOND_MAX
  #budgetAtMs: number
  #droppedCount = 0
  #closed = false

  constructor(deps: OutputDeps, source: OutputSource) {
    this.#deps = deps
    this.#source = source
    this.#budgetAtMs = deps.clock.monotonicMs()
    deps.log.onDrained = () => {
      this.#restrain()
    }
  }

  /** The last lines of stderr, for error messages. */
  get stderrTail(): readonly string[] {
    return this.#tail
  }

  /** Bytes as they come; they are read before this returns. */
  write(stream: Stream, chunk: Uint8Array): void {
    const state = this.#streams[stream]
    const parts = (state.rest + state.decoder.decode(chunk, { stream: true })).split('\n')
    state.rest = parts.pop() ?? ''
    for (const part of parts) this.#line(stream, state, part)
    if (state.rest.length > OUTPUT_LINE_BYTES_MAX) {
      this.#line(stream, state, state.rest)
      state.rest = ''
      state.cutting = true
    }
    this.#schedule()
    this.#restrain()
  }

  /** The process has ended: what is left is a line too. */
  close(): void {
    if (this.#closed) return
    for (const stream of ['stdout', 'stderr'] as const) {
      const state = this.#streams[stream]
      const rest = state.rest + state.decoder.decode()
      state.rest = ''
      if (rest !== '') this.#line(stream, state, rest)
    }
    this.#closed = true
    this.#flush()
    this.#timer?.cancel()
    this.#deps.log.close()
  }

  #line(stream: Stream, state: StreamState, whole: string): void {
    if (state.cutting) {
      state.cutting = false
      return
    }
    const text = whole.endsWith('\r') ? whole.slice(0, -1) : whole
    const shown = text.length <= OUTPUT_LINE_BYTES_MAX ? text : cut(text)
    this.#deps.log.write(`${shown}\n`)
    if (stream === 'stderr') {
      this.#tail.push(shown.slice(0, TAIL_LINE_CHARS_MAX))
      if (this.#tail.length > STDERR_TAIL_LINES) this.#tail.shift()
    }
    if (!this.#spend(shown.length)) {
      this.#droppedCount += 1
      return
    }
    this.#markDropped(stream)
    this.#push(stream, shown)
  }

  #push(stream: Stream, text: string): void {
    this.#batch.push({ name: this.#source.name(), pid: this.#source.pid(), stream, text })
    this.#batchBytes += text.length
    if (this.#batchBytes >= BATCH_BYTES_MAX) this.#flush()
  }

  /** O2. */
  #markDropped(stream: Stream): void {
    const count = this.#droppedCount
    if (count === 0) return
    this.#droppedCount = 0
    this.#push(stream, `... ${String(count)} lines dropped, see the log files of the session`)
  }

  /** A budget that refills with time: short bursts pass, floods are thinned. */
  #spend(sizeBytes: number): boolean {
    const nowMs = this.#deps.clock.monotonicMs()
    const refill = ((nowMs - this.#budgetAtMs) / 1000) * OUTPUT_BYTES_PER_SECOND_MAX
    this.#budgetBytes = Math.min(OUTPUT_BYTES_PER_SECOND_MAX, this.#budgetBytes + refill)
    this.#budgetAtMs = nowMs
    if (this.#budgetBytes < sizeBytes) return false
    this.#budgetBytes -= sizeBytes + LINE_COST_BYTES
    return true
  }

  #schedule(): void {
    if (this.#timer !== undefined) return
    this.#timer = this.#deps.clock.after(OUTPUT_BATCH_MS, () => {
      this.#timer = undefined
      this.#flush()
      if (this.#droppedCount > 0) this.#schedule()
    })
  }

  #flush(): void {
    if (this.#droppedCount > 0 && (this.#closed || this.#spend(0))) this.#markDropped('stderr')
    if (this.#batch.length === 0) return
    const lines = this.#batch
    this.#batch = []
    this.#batchBytes = 0
    if (!this.#deps.forward(lines)) this.#droppedCount += lines.length
  }

  /** O1. */
  #restrain(): void {
    const behind = this.#deps.log.isBusy()
    if (behind === this.#paused || this.#closed) return
    this.#paused = behind
    if (behind) this.#source.pause()
    else this.#source.resume()
  }
}

/** Lines cost something beside their text: a flood of empty ones is a flood. */
const LINE_COST_BYTES = 32
const TAIL_LINE_CHARS_MAX = 2000

function cut(text: string): string {
  const left = text.length - OUTPUT_LINE_BYTES_MAX
  return `${text.slice(0, OUTPUT_LINE_BYTES_MAX)}... cut, ${String(left)} or more left`
}
