// The bench's handle on one contender at one row: a process of its own, so that no row inherits
// another's heap, queues or crashed cluster. What it says is in contender.ts. It is the head of a
// process group of its own, which Ctrl-C does not reach: it ends when its stdin does, and closes
// what it has opened first, such as a cluster that would stand on for good.
import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

export interface ContenderProcess {
  readonly pid: number
  /** Why the contender has nothing like this row, if it has not. */
  readonly missing: string | undefined
  /** Runs for about `seconds`; what was measured, by part, counts only for 'round'. */
  ask(op: 'warm' | 'round', seconds: number): Promise<Parts>
  /** Lets it close what it opened and waits for its end. */
  end(): Promise<void>
}

export type Parts = Readonly<Record<string, number>>

/** A program with its first arguments; the row's name is added. */
export interface ContenderCommand {
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

interface Answer {
  readonly ready?: boolean
  readonly missing?: string
  readonly values?: Parts
  readonly error?: string
}

const STDERR_KEPT_CHARACTERS = 4000
const END_TIMEOUT_MS = 30_000

export async function startContender(
  { program, args, env = {} }: ContenderCommand,
  row: string,
): Promise<ContenderProcess> {
  const child = spawn(program, [...args, row], {
    stdio: ['pipe', 'ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...env },
  })
  let stderr = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT_CHARACTERS)
  })
  child.stdin?.on('error', () => undefined) // it ended early: the missing answer says so
  const gone = new Promise<void>((resolve) => {
    child.once('error', (error) => {
      stderr += error.message
      resolve()
    })
    child.once('close', () => {
      resolve()
    })
  })
  const lines = createInterface({ input: child.stdio[3] as Readable })[Symbol.asyncIterator]()
  const answer = async (): Promise<Answer> => {
    const { done, value } = await lines.next()
    if (done !== true) return JSON.parse(value) as Answer
    await gone
    throw new Error(`${program} ended in the row '${row}' and said: ${stderr.trim()}`)
  }
  const first = await answer()
  if (first.error !== undefined) throw new Error(first.error)
  return {
    pid: child.pid ?? 0,
    missing: first.missing,
    ask: async (op, seconds) => {
      child.stdin?.write(`${JSON.stringify({ op, seconds })}\n`)
      const { values, error } = await answer()
      if (values === undefined) throw new Error(error ?? 'no value came back')
      return values
    },
    end: () => endOf(child, gone),
  }
}

async function endOf(child: ChildProcess, gone: Promise<void>): Promise<void> {
  child.stdin?.end()
  const timer = setTimeout(() => child.kill('SIGKILL'), END_TIMEOUT_MS)
  await gone
  clearTimeout(timer)
}
