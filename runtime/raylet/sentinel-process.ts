// What is left to do when a raylet dies without warning (kill -9, a crash): end its workers, which
// may be in a loop that never looks up, with what they started, and remove its session folder and,
// of `virga start`, the file that says where it is. A shell waits for that: its standard input is a
// pipe of the raylet's, so the end of the raylet is the end of its input, whatever the cause. It
// costs 1 MB and nothing at all until then.
// Invariants:
//   SN1. It ends only processes it was told of and not told that they have ended.
//   SN2. It lives on through whatever ends the raylet: it has a session of its own and ignores
//       the signals of a terminal.
import { spawn, type ChildProcess } from 'node:child_process'

const SCRIPT = `
trap '' HUP INT TERM
workers=
while read -r what pid; do
  if [ "$what" = + ]; then
    workers="$workers $pid"
  else
    rest=
    for each in $workers; do [ "$each" = "$pid" ] || rest="$rest $each"; done
    workers=$rest
  fi
done
for each in $workers; do kill -9 "-$each"; done
current=$1/../current.json
if grep -qsF '"sessionDir":"'"$1"'"' "$current"; then rm -f "$current"; fi
rm -rf "$1"
`

export class Sentinel {
  readonly #sessionDir: string
  #shell: ChildProcess | undefined
  /** Until the end of this turn. */
  #lines: string[] = []
  #scheduled = false

  constructor(sessionDir: string) {
    this.#sessionDir = sessionDir
  }

  /** This process must not outlive us, nor its group, which it leads. */
  watch(pid: number): void {
    this.#say(`+ ${String(pid)}`)
  }

  /** It has ended by itself. */
  forget(pid: number): void {
    this.#say(`- ${String(pid)}`)
  }

  /** Later in this turn, so that the workers are started before the shell is. */
  #say(line: string): void {
    this.#lines.push(line)
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#shell ??= this.#start()
      this.#shell.stdin?.write(`${this.#lines.join('\n')}\n`)
      this.#lines = []
    })
  }

  #start(): ChildProcess {
    const shell = spawn('/bin/sh', ['-c', SCRIPT, 'virga-sentinel', this.#sessionDir], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      cwd: '/',
    })
    // Without it workers still leave when their connection closes; only endless loops would stay.
    shell.on('error', () => undefined)
    shell.stdin.on('error', () => undefined)
    shell.unref()
    return shell
  }
}
