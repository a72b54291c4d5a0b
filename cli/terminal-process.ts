// The terminal: standard output and error of this process.
import { styleText } from 'node:util'
import type { LiveView, Paint, Screen } from './world.ts'

// Colours come by Node's own rules: NO_COLOR, FORCE_COLOR, terminals only.
// A line of a program that has not ended yet is the first of the view until it does, so that the
// view never cuts output in two.
export const terminal: Screen = {
  isTty: process.stdout.isTTY,
  isErrorTty: process.stderr.isTTY,
  print: (text) => {
    process.stdout.write(`${text}\n`)
  },
  note: (text) => {
    process.stderr.write(`${text}\n`)
  },
  paint: (paint: Paint, text) => styleText(paint, text, { stream: process.stdout }),
  view,
}

/** A reader that has gone (`virga list | head`) is no failure. */
export function endQuietlyWithoutReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
}

async function view(name: 'stdout' | 'stderr'): Promise<LiveView> {
  const { createLogUpdate } = await import('log-update')
  assumeSize(process[name])
  const update = createLogUpdate(process[name])
  const tails = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) }
  let shown = ''
  const draw = (): void => {
    const open = [tails.stdout, tails.stderr].filter((tail) => tail.length > 0)
    const lines = [...open.map((tail) => tail.toString()), ...(shown === '' ? [] : [shown])]
    if (lines.length > 0) update(lines.join('\n'))
  }
  return {
    get columns() {
      return process[name].columns
    },
    show: (text) => {
      shown = text
      draw()
    },
    above: (stream, chunk) => {
      const bytes = Buffer.concat([tails[stream], chunk])
      const end = bytes.length > TAIL_BYTES_MAX ? bytes.length : bytes.lastIndexOf(NEWLINE) + 1
      tails[stream] = bytes.subarray(end)
      update.clear()
      process[stream].write(bytes.subarray(0, end))
      draw()
    },
    done: ({ keep }) => {
      update.clear()
      process.stdout.write(tails.stdout)
      process.stderr.write(tails.stderr)
      if (keep && shown !== '') update(shown)
      update.done()
    },
  }
}

/** Of size 0 is a terminal that nobody told its size (`script`, `docker exec -t`, a serial line):
 *  there the view would be cut to nothing. */
function assumeSize(stream: NodeJS.WriteStream): void {
  if (stream.columns === 0) stream.columns = 80
  if (stream.rows === 0) stream.rows = 24
}

const NEWLINE = 10
/** A line that does not end by then is written as it is. */
const TAIL_BYTES_MAX = 64 * 1024
