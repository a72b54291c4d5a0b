// What workers print, on its way to the driver of their job and to the session's log files.
//   bytes ──► log file, as they are
//     └─split─► lines ──► driver, as many as the budget of this second allows, in batches
// What is beyond the budget is not even decoded: a flood costs little more than writing it down.
// Invariants:
//   OU1. Memory stays flat however much is printed: a worker whose lines are not taken by the log
//       file or by its driver fast enough is not read on (its pipe fills, its writes wait).
//   OU2. What a driver does not get is counted and marked in its place: '... N lines dropped'. A
//        mark that did not get through either counts for the N lines that it stands for.
//   OU3. Lines of one stream of one worker stay in order.
// Source: Ray log_monitor.py (prefix, dropped lines).
import type { Clock } from '../common/clock.ts'
import {
  OUTPUT_BYTES_PER_SECOND_MAX,
  OUTPUT_LINE_BYTES_MAX,
  STDERR_TAIL_LINES,
} from '../common/limits.ts'
import { isMarkAt, nameOfMark, peakOfMark } from '../common/output-mark.ts'
import type { OutputLine } from '../protocol/messages.ts'

type Stream = 'stdout' | 'stderr'

/** Where bytes go to stay. While it is busy it cannot keep up, and should be given no more. */
export interface LogSink {
  /** The file, for who misses lines; undefined where nothing is kept. */
  readonly path: string | undefined
  /** Keeps the chunk until it is written. */
  write(chunk: Uint8Array): void
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
  /** The worker's own word, at its end, on the most memory it had. */
  readonly sawMemory: (peakRssBytes: number) => void
  readonly pause: () => void
  readonly resume: () => void
}

export interface OutputDeps {
  readonly clock: Clock
  readonly log: LogSink
  /**
   * Gives lines to the driver.
   * @param isLast  a mark that no later one can stand for: it goes even if much is unsent.
   * @returns false when the driver has too much unsent and must be spared.
   */
  readonly forward: (lines: readonly OutputLine[], isLast: boolean) => boolean
}

interface StreamState {
  readonly decoder: { decode(bytes?: Uint8Array, options?: { stream: boolean }): string }
  rest: string
  /** Everything up to the next line feed is left out. */
  skipping: boolean
  /** Whose output it is, as the worker said last. */
  name: string | undefined
}

/** Lines of one worker travel together for so long. */
const OUTPUT_BATCH_MS = 50
const BATCH_BYTES_MAX = 256 * 1024
/** Lines cost something beside their text: a flood of empty ones is a flood. */
const LINE_COST_BYTES = 32
const WINDOW_MS = 1000
const TAIL_LINE_CHARS_MAX = 2000
const LINE_FEED = 10

/** The output of one worker. */
export class WorkerOutput {
  readonly #deps: OutputDeps
  readonly #source: OutputSource
  readonly #streams: Readonly<Record<Stream, StreamState>> = {
    stdout: { decoder: new TextDecoder(), rest: '', skipping: false, name: undefined },
    stderr: { decoder: new TextDecoder(), rest: '', skipping: false, name: undefined },
  }
  /** The last STDERR_TAIL_LINES. */
  readonly #tail: string[] = []
  #fatalLine: string | undefined
  /** Of one interval; a second's worth is at most OUTPUT_BYTES_PER_SECOND_MAX. */
  #batch: OutputLine[] = []
  #batchBytes = 0
  /** What a lost batch adds to those dropped: its lines, and for a mark those that it counts. */
  #batchCount = 0
  #timer: { cancel(): void } | undefined
  #paused = false
  /** Who waits until the worker is read again. */
  #onReading: (() => void)[] = []
  #windowAtMs: number
  #spentBytes = 0
  #droppedCount = 0
  #closed = false

  constructor(deps: OutputDeps, source: OutputSource) {
    this.#deps = deps
    this.#source = source
    this.#windowAtMs = deps.clock.monotonicMs()
    deps.log.onDrained = () => {
      this.#restrain()
    }
  }

  /** The last lines of stderr, for error messages; V8's last word first, whatever follows it. */
  get stderrTail(): readonly string[] {
    const fatal = this.#fatalLine
    return fatal === undefined || this.#tail.includes(fatal) ? this.#tail : [fatal, ...this.#tail]
  }

  /** Bytes as they come. */
  write(stream: Stream, chunk: Uint8Array): void {
    this.#deps.log.write(chunk)
    this.#renewWindow()
    // The last words of a worker matter even when they are not forwarded.
    if (this.#isSpent() && stream === 'stdout') this.#drop(this.#streams.stdout, chunk)
    else this.#split(stream, chunk)
    this.#schedule()
    this.#restrain()
  }

  /** Its driver hears no more after this: forward what is there now, unfinished lines too. */
  flush(): void {
    this.#endLines()
    this.#flush()
    this.#markDropped(true)
  }

  /** Resolves at once unless the worker is not read just now (OU1); then when it is. */
  reading(): Promise<void> {
    if (!this.#paused) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onReading.push(resolve)
    })
  }

  /** The process has ended: what is left is a line too. */
  close(): void {
    if (this.#closed) return
    this.flush()
    this.#closed = true
    for (const resolve of this.#onReading.splice(0)) resolve()
    this.#timer?.cancel()
    this.#deps.log.close()
  }

  /** What has no line feed yet is a line too. */
  #endLines(): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const state = this.#streams[stream]
      const rest = state.rest + state.decoder.decode()
      state.rest = ''
      if (rest !== '') this.#line(stream, state, rest)
    }
  }

  #split(stream: Stream, chunk: Uint8Array): void {
    const state = this.#streams[stream]
    const parts = (state.rest + state.decoder.decode(chunk, { stream: true })).split('\n')
    state.rest = parts.pop() ?? ''
    for (const part of parts) this.#line(stream, state, part)
    if (state.rest.length <= OUTPUT_LINE_BYTES_MAX) return
    this.#line(stream, state, state.rest)
    state.rest = ''
    state.skipping = true
  }

  /** Counts lines without decoding them; the last one goes on in the next chunk. */
  #drop(state: StreamState, chunk: Uint8Array): void {
    if (chunk.length === 0) return
    // The line that is being skipped was counted, or shown cut, where it began.
    let isCounted = !state.skipping && !isMarkAt(Buffer.from(state.rest), 0)
    if (state.rest === '' && isMarkAt(chunk, 0)) isCounted = false
    for (let at = 0; ;) {
      if (isCounted) this.#droppedCount += 1
      const end = chunk.indexOf(LINE_FEED, at)
      at = end + 1
      if (end === -1 || at === chunk.length) break
      isCounted = !isMarkAt(chunk, at)
    }
    state.skipping = chunk.at(-1) !== LINE_FEED
    state.rest = ''
    // A new name may have been among it.
    state.name = undefined
    state.decoder.decode()
  }

  #line(stream: Stream, state: StreamState, whole: string): void {
    if (state.skipping) {
      state.skipping = false
      return
    }
    const name = nameOfMark(whole)
    if (name !== undefined) {
      state.name = name
      return
    }
    const peak = stream === 'stderr' ? peakOfMark(whole) : undefined
    if (peak !== undefined) {
      this.#source.sawMemory(peak.peakRssBytes)
      if (peak.before !== '') this.#line(stream, state, peak.before)
      return
    }
    const text = whole.endsWith('\r') ? whole.slice(0, -1) : whole
    const shown = text.length <= OUTPUT_LINE_BYTES_MAX ? text : cut(text)
    if (stream === 'stderr') {
      if (shown.startsWith('FATAL ERROR')) this.#fatalLine = shown.slice(0, TAIL_LINE_CHARS_MAX)
      this.#tail.push(shown.slice(0, TAIL_LINE_CHARS_MAX))
      if (this.#tail.length > STDERR_TAIL_LINES) this.#tail.shift()
    }
    if (this.#isSpent()) {
      this.#droppedCount += 1
      return
    }
    this.#spentBytes += shown.length + LINE_COST_BYTES
    this.#push(stream, shown, 1)
  }

  #push(stream: Stream, text: string, count: number): void {
    const name = this.#streams[stream].name ?? this.#source.name()
    this.#batch.push({ name, pid: this.#source.pid(), stream, text })
    this.#batchBytes += text.length
    this.#batchCount += count
    if (this.#batchBytes >= BATCH_BYTES_MAX) this.#flush()
  }

  #isSpent(): boolean {
    return this.#spentBytes >= OUTPUT_BYTES_PER_SECOND_MAX
  }

  /** The budget of a second is renewed at its end, with word of what it did not cover. */
  #renewWindow(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    if (nowMs - this.#windowAtMs < WINDOW_MS) return
    this.#windowAtMs = nowMs
    this.#spentBytes = 0
    this.#markDropped()
  }

  /** OU2. */
  #markDropped(isLast = false): void {
    const count = this.#droppedCount
    if (count === 0) return
    this.#droppedCount = 0
    const { path } = this.#deps.log
    const where = path === undefined ? '' : `: see ${path} while the cluster runs`
    this.#push(
      'stderr',
      `... ${String(count)} ${count === 1 ? 'line' : 'lines'} dropped${where}`,
      count,
    )
    if (isLast) this.#flush(true)
  }

  #schedule(): void {
    if (this.#timer !== undefined || this.#closed) return
    this.#timer = this.#deps.clock.after(OUTPUT_BATCH_MS, () => {
      this.#timer = undefined
      this.#renewWindow()
      this.#flush()
      if (this.#droppedCount > 0) this.#schedule()
    })
  }

  #flush(isLast = false): void {
    if (this.#batch.length === 0) return
    const lines = this.#batch
    const count = this.#batchCount
    this.#batch = []
    this.#batchBytes = 0
    this.#batchCount = 0
    if (!this.#deps.forward(lines, isLast)) this.#droppedCount += count
  }

  /** OU1. */
  #restrain(): void {
    const behind = this.#deps.log.isBusy()
    if (behind === this.#paused || this.#closed) return
    this.#paused = behind
    if (behind) {
      this.#source.pause()
      return
    }
    this.#source.resume()
    for (const resolve of this.#onReading.splice(0)) resolve()
  }
}

function cut(text: string): string {
  const left = text.length - OUTPUT_LINE_BYTES_MAX
  return `${text.slice(0, OUTPUT_LINE_BYTES_MAX)}... cut, ${String(left)} or more left`
}
