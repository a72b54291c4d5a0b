// What refs take along, and when their specs go to the raylet.
import { expect, test } from 'vitest'
import { StoppedError } from '../../../runtime/common/errors.ts'
import type { ObjectId } from '../../../runtime/common/ids.ts'
import { LineageStream } from '../../../runtime/core-worker/lineage-stream.ts'
import { ObjectEntry } from '../../../runtime/core-worker/object-entry.ts'
import { readLineage } from '../../../runtime/core-worker/ref-lineage.ts'
import type { SpecBatch } from '../../../runtime/protocol/messages.ts'
import { HandClock } from '../../support/hand-clock.ts'

interface Batch {
  readonly batch: SpecBatch
  readonly commit: () => void
  readonly refuse: () => void
}

function made({ durable = false, specBytes = 10 } = {}) {
  const clock = new HandClock()
  const batches: Batch[] = []
  const dropped: number[] = []
  const kept: Promise<void>[] = []
  const stream = new LineageStream(
    {
      clock,
      raylet: {
        notify: (_type, message) => {
          dropped.push(...(message as { sequences: readonly number[] }).sequences)
        },
        request: ((_type: string, batch: SpecBatch) =>
          new Promise((resolve, reject) => {
            batches.push({
              batch,
              commit: () => {
                resolve({ segments: batch.sequences.map(() => 7) })
              },
              refuse: () => {
                reject(new StoppedError('away'))
              },
            })
          })) as never,
      },
      specOf: () => new Uint8Array(specBytes),
      idOf: (entry) => entry.id as ObjectId,
      keepUntil: (settled) => {
        kept.push(settled)
      },
    },
    { nodeId: 'ab', epoch: 2, owner: 'cd', durable },
  )
  return { clock, stream, batches, dropped, kept }
}

function entry(name: string): ObjectEntry {
  const made = new ObjectEntry(undefined, 0, 0)
  made.id = name as ObjectId
  return made
}

const isSettled = async (promise: Promise<unknown>): Promise<boolean> =>
  (await Promise.race([promise.then(() => 'yes'), Promise.resolve('no')])) === 'yes'

test('a ref carries its spec until that is committed, and names its segment from then on', async () => {
  const { clock, stream, batches } = made()
  const carried = readLineage(stream.carry(entry('a')))
  expect(carried.place).toEqual({ nodeId: 'ab', epoch: 2, owner: 'cd', sequence: 0 })
  expect(carried.spec).toHaveLength(10)
  await clock.advance(1000)
  expect(batches.map(({ batch }) => batch.sequences)).toEqual([[0]])
  batches[0]?.commit()
  await clock.advance(0)
  const later = readLineage(stream.carry(entry('a')))
  expect(later).toEqual({ place: { ...carried.place, segment: 7 }, spec: undefined })
})

test('what has no ref any more when its batch goes costs nothing; later it is dropped', async () => {
  const { clock, stream, batches, dropped } = made()
  for (const name of ['a', 'b', 'c']) stream.carry(entry(name))
  stream.gone('a' as ObjectId)
  await clock.advance(1000)
  expect(batches[0]?.batch.sequences).toEqual([1, 2])
  stream.gone('b' as ObjectId)
  batches[0]?.commit()
  await clock.advance(1000)
  expect(dropped).toEqual([1])
  stream.gone('c' as ObjectId)
  await clock.advance(1000)
  expect(dropped).toEqual([1, 2])
})

test('LS1: beyond 64 KiB in a turn, refs wait for the commit and carry nothing', async () => {
  const { clock, stream, batches, kept } = made({ specBytes: 40_000 })
  expect(readLineage(stream.carry(entry('a'))).spec).toHaveLength(40_000)
  expect(readLineage(stream.carry(entry('b'))).spec).toBe(undefined)
  expect(kept).toHaveLength(1)
  await clock.advance(1)
  expect(batches[0]?.batch.urgent).toBe(true)
  expect(await isSettled(kept[0] as Promise<void>)).toBe(false)
  batches[0]?.commit()
  await kept[0]
  await clock.advance(1)
  expect(readLineage(stream.carry(entry('c'))).spec).toHaveLength(40_000)
})

test('LS2, LS3: one batch at a time; one that was refused goes again, before what came later', async () => {
  const { clock, stream, batches } = made()
  stream.carry(entry('a'))
  await clock.advance(1000)
  stream.carry(entry('b'))
  await clock.advance(1000)
  expect(batches).toHaveLength(1)
  batches[0]?.refuse()
  await clock.advance(2000)
  expect(batches.map(({ batch }) => batch.sequences)).toEqual([[0], [0, 1]])
})

test('a durable job: refs carry nothing, and who tells of results waits for all before', async () => {
  const { clock, stream, batches } = made({ durable: true })
  expect(stream.commits()).toBe(undefined)
  stream.keep(entry('a'))
  stream.keep(entry('b'))
  const first = stream.commits() as Promise<void>
  await clock.advance(1)
  stream.keep(entry('c'))
  const second = stream.commits() as Promise<void>
  expect(readLineage(stream.carry(entry('c'))).spec).toBe(undefined)
  batches[0]?.commit()
  await first
  await clock.advance(1)
  expect(await isSettled(second)).toBe(false)
  batches[1]?.commit()
  await second
  expect(stream.commits()).toBe(undefined)
})

test('when it stops nobody is kept waiting, and nothing is sent', async () => {
  const { clock, stream, batches } = made({ durable: true })
  stream.keep(entry('a'))
  const commits = stream.commits() as Promise<void>
  stream.stop()
  await commits
  await clock.advance(5000)
  expect(batches).toEqual([])
})
