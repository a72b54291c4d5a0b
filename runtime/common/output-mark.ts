// What a worker says in its output itself, as lines that a terminal does not show: whose output
// follows, and at its end how much memory it had. They keep their place among what is printed, and
// are read before the end of the process is known, which no message beside the stream could be.
// Source: Ray worker.py, magic tokens in the worker's output.

const START = '\u001B]virga;'
const END = '\u0007'
const NAME_CHARS_MAX = 200

/** The line to print before the output of `name`. */
export function outputMark(name: string): string {
  // oxlint-disable-next-line eslint/no-control-regex -- these are what must not be in a line
  return `${START}${name.slice(0, NAME_CHARS_MAX).replaceAll(/[\u0000-\u001F]/g, ' ')}${END}\n`
}

/** The name, if this line is a mark. */
export function nameOfMark(line: string): string | undefined {
  if (!line.startsWith(START) || !line.endsWith(END)) return undefined
  return line.slice(START.length, -END.length)
}

const START_BYTES = new TextEncoder().encode(START)

/** Whether a line of bytes that begins at `at` is a mark, as far as it is there. */
export function isMarkAt(bytes: Uint8Array, at: number): boolean {
  return START_BYTES.every((byte, index) => bytes[at + index] === byte)
}

const PEAK_START = '\u001B]virga-peak;'

/** To be printed last, whether or not a line was begun. */
export function peakMark(peakRssBytes: number): string {
  return `${PEAK_START}${String(peakRssBytes)}${END}\n`
}

/** The bytes, and what the line has before the mark; undefined if it ends with none. */
export function peakOfMark(
  line: string,
): { readonly peakRssBytes: number; readonly before: string } | undefined {
  if (!line.endsWith(END)) return undefined
  const at = line.lastIndexOf(PEAK_START)
  if (at < 0) return undefined
  const peakRssBytes = Number(line.slice(at + PEAK_START.length, -END.length))
  if (!Number.isSafeInteger(peakRssBytes)) return undefined
  return { peakRssBytes, before: line.slice(0, at) }
}

// oxlint-disable-next-line eslint/no-control-regex -- marks are made of them
const MARKS = /\u001B\]virga(?:-peak)?;[^\u0007]*\u0007/g

/** A line of a log as people read it; undefined for one that is nothing but a mark. */
export function withoutMarks(line: string): string | undefined {
  const text = line.replaceAll(MARKS, '')
  return text === '' && line !== '' ? undefined : text
}
