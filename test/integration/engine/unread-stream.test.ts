// Nothing waits in silence (issue item 7): a stream that nobody reads holds up what comes after it
// on its actor, for ever if that is what its reader reads first; `virga status --why` names it.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { get, init, shutdown, type ObjectRefStream } from 'virga'
import { stateRows } from '../../support/cluster-view.ts'
import { untilFreed } from '../../support/collect.ts'
import { until } from '../../support/waiting.ts'
import { chunks, numbers, square } from './functions.ts'
import { RemoteSource } from './stress-functions.ts'

const COUNT = 200 // more than is made ahead of the reader

beforeAll(async () => {
  await init({ address: 'local', numCpus: 1 })
})
afterAll(shutdown)

async function read(stream: ObjectRefStream<number>): Promise<number> {
  let sum = 0
  for await (const item of stream.values()) sum += item
  return sum
}

const streamRows = async (): Promise<readonly object[]> =>
  (await stateRows<{ kind: string }>('why')).filter(({ kind }) => kind === 'stream')

it('streams of one actor that are read in the wrong order are named, until they are read', async () => {
  const source = RemoteSource.remote()
  const [first, second] = [source.count.remote(COUNT), source.count.remote(COUNT)]
  const late = read(second) // waits for the actor, which waits for a reader of the first
  await until(async () => (await streamRows()).length > 0)
  expect(await streamRows()).toEqual([
    expect.objectContaining({
      name: 'Source.count',
      count: 1,
      why: expect.stringContaining('waits for its reader to take items') as string,
    }),
  ])
  const sum = (COUNT * (COUNT - 1)) / 2
  expect(await read(first)).toBe(sum)
  expect(await late).toBe(sum)
  await until(async () => (await streamRows()).length === 0)
})

it('the task of one that nobody has any more makes room for the next', async () => {
  const held: unknown[] = []
  hold(held, COUNT)
  await until(async () => (await streamRows()).length > 0) // never, once it is collected
  held.length = 0
  expect(await square.run(2)).toBe(4) // there is one CPU
})

it('the task of one that nobody has ends as ever where it needs no reader', async () => {
  const before = await endsOfNumbers()
  dropped(3)
  dropped(COUNT)
  expect(await square.run(2)).toBe(4)
  await until(async () => (await endsOfNumbers()).length === before.length + 2)
  const ends = (await endsOfNumbers()).slice(before.length)
  expect(ends.toSorted()).toEqual(['FAILED', 'FINISHED'])
})

it('what nobody has read of one that was left goes once that is collected', async () => {
  expect(await firstOf(8)).toBe(0)
  await untilFreed()
})

/** How the streams of numbers have ended, those of this test after those of others. */
async function endsOfNumbers(): Promise<string[]> {
  const rows = await stateRows<{ name: string; state: string; endMs?: number }>('tasks')
  return rows.flatMap(({ name, state, endMs }) =>
    name === 'numbers' && endMs !== undefined ? [state] : [],
  )
}

/** A stream that is out of reach at once. */
function dropped(count: number): void {
  numbers.remote(count)
}

/** A stream that only \`held\` has. */
function hold(held: unknown[], count: number): void {
  held.push(numbers.remote(count))
}

/** Of large items, of which one is read. */
async function firstOf(count: number): Promise<number | undefined> {
  const stream = chunks.remote(count, 200_000)
  await get(stream.completed)
  for await (const chunk of stream.values()) return chunk[0]
  return undefined
}
