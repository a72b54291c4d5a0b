// What a node asks of others that looks for very many objects at once, counted: two nodes answer,
// and one is silent, as one that has just died is.
import { expect, test } from 'vitest'
import type { NodeRow } from '../../../runtime/gcs/nodes.ts'
import {
  ObjectDirectory,
  type FoundObject,
  type ObjectDirectoryDeps,
} from '../../../runtime/raylet/cluster/object-directory.ts'
import { SilentWaits } from '../../../runtime/raylet/cluster/silent-waits.ts'
import { HandClock } from '../../support/hand-clock.ts'

const COUNT = 1_000
const ids = Array.from({ length: COUNT }, (_, i) => `object${i}`)

interface Asked {
  readonly to: string
  readonly type: string
}

/** @param hasIt  node b holds these, and nobody reaches node d but b. */
function made(hasIt: (objectId: string) => boolean, reaches = (_: string) => false) {
  const clock = new HandClock()
  const asked: Asked[] = []
  const holds = (nodeId: string, objectIds: readonly string[]): object => {
    const held = objectIds.filter((objectId) => nodeId === 'b' && hasIt(objectId))
    return { nodeId, held: held.map((objectId) => ({ objectId, sizeBytes: 7, isPrimary: true })) }
  }
  const ask = async (to: string, type: string, message: object): Promise<never> => {
    asked.push({ to, type })
    const { objectIds = [], objectId = '' } = message as { objectIds?: string[]; objectId?: string }
    await Promise.resolve()
    if (to === 'd') throw new Error('it is silent')
    if (type === 'reaches') {
      return { reached: to === 'b' ? objectIds.filter(reaches) : [] } as never
    }
    if (type === 'relayObject') return (to === 'b' && reaches(objectId) ? 7 : undefined) as never
    if (type === 'joinReaders') return { sizeBytes: 7, source: to } as never
    return holds(to, objectIds) as never
  }
  const member: ObjectDirectoryDeps['member'] = {
    ask,
    askEach: async (type, message) => {
      const answers = await Promise.allSettled(['b', 'c', 'd'].map((to) => ask(to, type, message)))
      return {
        answers: answers.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : [])),
        silent: ['d'],
      }
    },
    nodes: () => ['a', 'b', 'c', 'd'].map((nodeId) => ({ nodeId, state: 'ALIVE' }) as NodeRow),
    tell: () => undefined,
  }
  const breaker = { why: () => undefined, failed: () => undefined }
  const directory = new ObjectDirectory({
    ...{ member, breaker, clock, nodeId: 'a', silent: new SilentWaits(clock) },
    store: () => {
      throw new Error('nobody asks this node')
    },
  })
  const findAll = (): Promise<(FoundObject | undefined)[]> =>
    Promise.all(
      ids.map((objectId) =>
        directory.find({ objectId, hints: [], failed: [], mayRelay: true }, () => true),
      ),
    )
  const count = (type: string): number => asked.filter((each) => each.type === type).length
  return { clock, findAll, count }
}

test('TG1: who looks for a thousand objects asks each node once', async () => {
  const { clock, findAll, count } = made(() => true)
  const finding = findAll()
  await clock.advance(100)
  const found = await finding
  expect(found[999]).toEqual({ sizeBytes: 7, sources: ['b'], directory: 'b' })
  expect(count('holds')).toBe(3)
})

test('OD4: while a node is silent it asks each in rounds, not for each object', async () => {
  const { clock, findAll, count } = made(() => false)
  const finding = findAll()
  await clock.advance(25_000)
  expect(new Set(await finding)).toEqual(new Set([undefined]))
  const rounds = 20_000 / 250 + 1
  expect(count('holds')).toBeLessThanOrEqual(3 * rounds)
  expect(count('reaches')).toBeLessThanOrEqual(2 * rounds)
  expect(count('relayObject')).toBe(0)
})

test('OD2: what a node in between reaches is read through that one alone', async () => {
  const { clock, findAll, count } = made(
    () => false,
    (objectId) => objectId.endsWith('7'),
  )
  const finding = findAll()
  await clock.advance(25_000)
  const found = (await finding).filter((each) => each !== undefined)
  expect(found).toHaveLength(COUNT / 10)
  expect(found[0]).toEqual({ sizeBytes: 7, sources: ['b'] })
  expect(count('relayObject')).toBe(COUNT / 10)
})
