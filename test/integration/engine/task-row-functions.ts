// Tasks of task-rows.test.ts: each leaves behind, in a file, which attempts of it began.
import { appendFileSync, existsSync } from 'node:fs'
import { remote, runtimeContext } from 'virga'

const note = (file: string, text: string): void => {
  appendFileSync(file, `${text}\n`)
}

/** What each attempt does, in their order; the last one is repeated. */
type Deed = 'crash' | 'RangeError' | 'TypeError' | 'return'
export const does = remote((file: string, deeds: readonly Deed[]): number => {
  const { attempt } = runtimeContext()
  note(file, String(attempt))
  const deed = deeds[Math.min(attempt, deeds.length - 1)]
  if (deed === 'crash') process.kill(process.pid, 'SIGKILL')
  if (deed === 'RangeError') throw new RangeError('early')
  if (deed === 'TypeError') throw new TypeError('early')
  return attempt
})

export const untilFile = remote(async (file: string, began: string): Promise<string> => {
  note(began, 'began')
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 10))
  return 'there'
})
export const spins = remote((began: string): void => {
  note(began, 'began')
  for (;;);
})

export const items = remote(async function* (count: number, diesAt: number) {
  for (let i = 0; i < count; i += 1) {
    if (i === diesAt && runtimeContext().attempt === 0) {
      await new Promise((resolve) => setTimeout(resolve, 100)) // what was yielded is on its way
      process.kill(process.pid, 'SIGKILL')
    }
    yield i
  }
})
export const ahead = remote(
  async function* (file: string, count: number) {
    for (let i = 0; i < count; i += 1) {
      note(file, String(i))
      yield i
      await Promise.resolve()
    }
  },
  { streamBufferSize: 1 },
)

/** Waits for a child, and says in `file` when that has failed. */
export const waitsForChild = remote(async (file: string, go: string): Promise<string> => {
  const child = untilFile.run(go, file)
  return child.finally(() => {
    note(file, 'child ended')
  })
})

/** What kind of thing it was given. */
const kindOf = (value: unknown): string =>
  typeof value === 'object' && value !== null ? value.constructor.name : typeof value
export const kinds = remote((direct: unknown, box: { inner: unknown }) => [
  kindOf(direct),
  kindOf(box.inner),
])
export class Kinds {
  readonly #given: string[]
  constructor(direct: unknown, box: { inner: unknown }) {
    this.#given = [kindOf(direct), kindOf(box.inner)]
  }
  given(): string[] {
    return this.#given
  }
  method(direct: unknown, box: { inner: unknown }): string[] {
    return [kindOf(direct), kindOf(box.inner)]
  }
}
export const RemoteKinds = remote(Kinds)

export const lengths = remote((...texts: string[]) =>
  texts.reduce((sum, text) => sum + text.length, 0),
)
export const one = remote(() => 1)
