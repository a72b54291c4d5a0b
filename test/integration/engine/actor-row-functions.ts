// Actors of actor-rows.test.ts: each leaves behind, in a file, what it did in which life.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { exitActor, getActor, kill, remote, runtimeContext, type ActorHandle } from 'virga'

export class Lives {
  readonly #file: string
  #opened: (() => void)[] = []
  constructor(file: string) {
    this.#file = file
    appendFileSync(file, 'made\n')
  }
  /** Ends its process the first time that it is called with `text`. */
  note(text: string, dies = false): string {
    const known = readFileSync(this.#file, 'utf8').split('\n').includes(text)
    appendFileSync(this.#file, `${text}\n`)
    if (dies && !known) process.kill(process.pid, 'SIGKILL')
    return text
  }
  /** Throws until it has been called `calls` times. */
  throwsUntil(calls: number, kind: 'RangeError' | 'TypeError' = 'RangeError'): number {
    appendFileSync(this.#file, 'tried\n')
    const { length } = readFileSync(this.#file, 'utf8').match(/tried/g) ?? []
    if (length < calls)
      throw kind === 'RangeError' ? new RangeError('early') : new TypeError('early')
    return length
  }
  async *items(count: number, diesAt = -1): AsyncGenerator<number> {
    for (let i = 0; i < count; i += 1) {
      if (i === diesAt && !existsSync(`${this.#file}.died`)) {
        appendFileSync(`${this.#file}.died`, '')
        await new Promise((resolve) => setTimeout(resolve, 100)) // what was yielded is on its way
        process.kill(process.pid, 'SIGKILL')
      }
      yield i
      await Promise.resolve()
    }
  }
  *failing(count: number): Generator<number> {
    for (let i = 0; i < count; i += 1) yield i
    throw new RangeError('the stream broke')
  }
  async *endless(): AsyncGenerator<number> {
    for (let i = 0; ; i += 1) {
      appendFileSync(`${this.#file}.yielded`, '.')
      yield i
      await Promise.resolve()
    }
  }
  async hold(): Promise<string> {
    await new Promise<void>((resolve) => this.#opened.push(resolve))
    return 'let go'
  }
  open(): number {
    const waiting = this.#opened.splice(0)
    for (const resolve of waiting) resolve()
    return waiting.length
  }
  held(): number {
    return this.#opened.length
  }
  async untilAborted(): Promise<string> {
    const { signal } = runtimeContext()
    appendFileSync(this.#file, 'waits\n')
    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve)
    })
    appendFileSync(this.#file, 'aborted\n')
    return 'aborted'
  }
  async untilFile(file: string): Promise<string> {
    while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 10))
    return 'there'
  }
  leave(): void {
    exitActor()
  }
  exit(code: number): void {
    process.exit(code)
  }
  context(): { attempt: number; wasRestarted: boolean; resources: unknown; pid: number } {
    const { attempt, wasRestarted, resources } = runtimeContext()
    return { attempt, wasRestarted, resources, pid: process.pid }
  }
}
export const RemoteLives = remote(Lives)
export type LivesMethods = typeof RemoteLives extends {
  remote(...args: never[]): ActorHandle<infer M>
}
  ? M
  : never

/** Constructed once, and never again. */
export class OneLife {
  constructor(file: string) {
    if (existsSync(file)) throw new RangeError('no second life')
    appendFileSync(file, '')
  }
  exit(): void {
    process.exit(3)
  }
  use(): number {
    return 1
  }
}
export const RemoteOneLife = remote(OneLife)

export class LeavesAtOnce {
  constructor() {
    exitActor()
  }
  use(): number {
    return 1
  }
}
export const RemoteLeavesAtOnce = remote(LeavesAtOnce)

export const throws = remote((): string => {
  throw new RangeError('no file')
})
export const afterFile = remote(async (file: string, value: string) => {
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 10))
  return value
})
export const notesMany = remote(
  async (lives: ActorHandle<LivesMethods>, who: string, count: number) => {
    const refs = Array.from({ length: count }, (_, i) => lives.note.remote(`${who}${String(i)}`))
    const { get } = await import('virga')
    await get(refs)
  },
)
export const namesAway = remote(async (name: string) => {
  const found = await getActor<typeof Lives>(name)
  return found.context.run()
})
export const callsHold = remote(async (lives: ActorHandle<LivesMethods>) => lives.hold.run())
export const kills = remote(async (lives: ActorHandle<LivesMethods>) => kill(lives))
