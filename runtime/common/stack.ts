// Stack traces as text: take them apart, leave out what is not the user's, put them together.
// Everything here is pure; positions of a source map come in as a function.
// Source: V8 stack trace API, the format of `error.stack`.

/** A frame's place: as V8 prints it, line and column count from 1. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** Where a position of the code that ran was written, or undefined when there is no map. */
export type MapPosition = (position: Position) => Position | undefined

export interface StackView {
  /**
   * Where frames of Virga itself lie: prefixes of file URLs or paths, such as that of dist/.
   * Frames of Node (`node:`) are never the user's.
   */
  readonly internalPrefixes: readonly string[]
  readonly map?: MapPosition
}

/** More frames than that are of recursion; the innermost are kept. */
const FRAMES_MAX = 100
/** A line longer than that is no frame worth taking apart. */
const FRAME_CHARS_MAX = 4096

const NAMED = /^(\s*at .+? \()(.+):(\d+):(\d+)\)$/
const BARE = /^(\s*at (?:async )?)(.+):(\d+):(\d+)$/
const FRAME = /^\s+at \S/
const SEPARATOR = /^\s+--- .* ---$/

/** The lines of a stack below its message, which may itself have several lines. */
export function framesOf(stack: string): string[] {
  const lines = stack.split('\n')
  let first = lines.length
  while (first > 0 && isFrame(lines[first - 1] ?? '')) first -= 1
  return lines.slice(first)
}

const isFrame = (line: string): boolean => FRAME.test(line) || SEPARATOR.test(line)

/** The frames of the user's code, mapped to its sources; separators stay where frames do. */
export function userFrames(frames: readonly string[], view: StackView): string[] {
  const kept = frames
    .filter((frame) => !isInternal(frame, view))
    .map((frame) => mapFrame(frame, view))
  const cut = kept.slice(0, FRAMES_MAX)
  return cut.filter((frame, i) => !SEPARATOR.test(frame) || (i > 0 && i < cut.length - 1))
}

function isInternal(frame: string, view: StackView): boolean {
  const file = parse(frame)?.position.file
  if (file === undefined) return frame.endsWith('(native)')
  return file.startsWith('node:') || view.internalPrefixes.some((prefix) => file.startsWith(prefix))
}

function mapFrame(frame: string, view: StackView): string {
  const parsed = view.map === undefined ? undefined : parse(frame)
  const source = parsed && view.map?.(parsed.position)
  if (parsed === undefined || source === undefined) return frame
  return `${parsed.before}${source.file}:${source.line}:${source.column}${parsed.after}`
}

interface Parsed {
  readonly before: string
  readonly position: Position
  readonly after: string
}

function parse(frame: string): Parsed | undefined {
  if (frame.length > FRAME_CHARS_MAX) return undefined
  const named = NAMED.exec(frame)
  const found = named ?? BARE.exec(frame)
  if (found === null) return undefined
  const [, before = '', file = '', line = '', column = ''] = found
  const position = { file, line: Number(line), column: Number(column) }
  return { before, position, after: named === null ? '' : ')' }
}

/** What stands between the frames of one process and those of the process that called it. */
const separator = (label: string): string => `    --- ${label} ---`

/**
 * A stack of several processes: the message, the remote frames, a separator, the local frames.
 * @param header  `TaskError: ...`, of one line or more.
 * @param label  what the local frames are: `driver`, `worker 1234`.
 */
export function joinStacks(
  header: string,
  remote: readonly string[],
  local: readonly string[],
  label: string,
): string {
  const middle = remote.length > 0 && local.length > 0 ? [separator(label)] : []
  return [header, ...remote, ...middle, ...local].join('\n')
}
