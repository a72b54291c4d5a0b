// How a worker says, in the stream itself, whose output follows: a line that a terminal does not
// show. It keeps its place among what is printed, which no message beside the stream could.
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
