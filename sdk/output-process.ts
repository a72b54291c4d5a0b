// Output of workers on the driver's own streams: `(name pid=12) text`. Lines that repeat are
// folded:
// the first is shown, then how often it came again. Source: Ray log deduplication (5 s window).
import type { OutputLine } from '../runtime/core-worker/start.ts'

const WINDOW_MS = 5000
const REMEMBERED_MAX = 1000

interface Repeated {
  count: number
  readonly line: OutputLine
}

const repeated = new Map<string, Repeated>()
let timer: NodeJS.Timeout | undefined

export function printOutput(lines: readonly OutputLine[]): void {
  for (const line of lines) {
    const key = `${line.name}\0${line.text}`
    const known = repeated.get(key)
    if (known !== undefined) {
      known.count += 1
      continue
    }
    if (repeated.size >= REMEMBERED_MAX) flushRepeated()
    repeated.set(key, { count: 0, line })
    write(line, line.text)
  }
  timer ??= setTimeout(flushRepeated, WINDOW_MS).unref()
}

/** Tells what was folded; also at the end of the program. */
export function flushRepeated(): void {
  clearTimeout(timer)
  timer = undefined
  for (const { count, line } of repeated.values()) {
    if (count > 0) write(line, `${line.text} [repeated ${String(count)}×]`)
  }
  repeated.clear()
}

function write(line: OutputLine, text: string): void {
  const stream = line.stream === 'stderr' ? process.stderr : process.stdout
  stream.write(`(${line.name} pid=${String(line.pid)}) ${text}\n`)
}
