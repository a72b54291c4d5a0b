// Who is told of a free, counted: nodes that hand over what they are told at once, in any number.
import { beforeEach, expect, test } from 'vitest'
import type { NodeRow } from '../../../runtime/gcs/nodes.ts'
import { ObjectFrees, type ObjectFreesDeps } from '../../../runtime/raylet/cluster/object-frees.ts'
import { HandClock } from '../../support/hand-clock.ts'

const NODES = Array.from({ length: 100 }, (_, i) => `n${i}`)

let clock: HandClock
let rows: Map<string, NodeRow>
let frees: Map<string, ObjectFrees>
/** `from to objectId`, in order. */
let told: string[]
/** Nobody reaches it. */
let away: Set<string>
/** By node, where it matters. */
let stored: Map<string, ReadonlySet<string>>

beforeEach(() => {
  clock = new HandClock()
  told = []
  away = new Set()
  stored = new Map()
  rows = new Map(NODES.map((nodeId) => [nodeId, rowOf(nodeId, 1)]))
  frees = new Map(NODES.map((nodeId) => [nodeId, made(nodeId)]))
  for (const each of frees.values()) each.nodes([...rows.values()])
})

const rowOf = (nodeId: string, epoch: number, state = 'ALIVE'): NodeRow =>
  ({ nodeId, epoch, state }) as NodeRow

function made(nodeId: string): ObjectFrees {
  const tell = (to: string, objectIds: readonly string[]): boolean => {
    told.push(...objectIds.map((objectId) => `${nodeId} ${to} ${objectId}`))
    return !away.has(to)
  }
  const member = {
    others: () => [...rows.values()].filter((row) => row.nodeId !== nodeId && row.state !== 'DEAD'),
    ask: (to: string, _: string, message: { objectIds: string[]; agesMs: number[] }) => {
      if (!tell(to, message.objectIds)) return Promise.reject(new Error('it is away'))
      at(to).missed(message.objectIds, message.agesMs, here(to))
      return Promise.resolve(undefined)
    },
    tell: (to: string, _: string, { objectIds }: { objectIds: string[] }) => {
      if (tell(to, objectIds)) at(to).freed(objectIds, here(to))
    },
    tellAll: (type: string, message: { objectIds: string[] }) => {
      for (const each of member.others()) member.tell(each.nodeId, type, message)
    },
  }
  return new ObjectFrees({ clock, nodeId, member: member as unknown as ObjectFreesDeps['member'] })
}

/** What it has, when it is told. */
const here = (nodeId: string): ReadonlySet<string> => stored.get(nodeId) ?? new Set()

const at = (nodeId: string): ObjectFrees => frees.get(nodeId) as ObjectFrees

/** A row of all has changed. */
function seen(row: NodeRow): void {
  rows.set(row.nodeId, row)
  for (const each of frees.values()) each.nodes([...rows.values()])
}

test('OF1: of an object that never left its node nobody is told', () => {
  for (const nodeId of NODES) at(nodeId).free([`object of ${nodeId}`], nodeId)
  expect(told).toEqual([])
})

test('OF1: the node that made it is told, and from there all that had it one from the other', () => {
  at('n1').gave('x', { nodeId: 'n2', epoch: 1 })
  at('n2').gave('x', { nodeId: 'n3', epoch: 1 })
  at('n2').gave('x', { nodeId: 'n1', epoch: 1 }) // which had dropped its copy meanwhile
  at('n0').free(['x', 'y'], 'n1')
  expect(told).toEqual(['n0 n1 x', 'n0 n1 y', 'n1 n2 x', 'n2 n3 x', 'n2 n1 x'])
  at('n0').free(['x'], 'n1')
  expect(told.slice(5)).toEqual(['n0 n1 x'])
})

test('OF1: all are told of what may be anywhere', () => {
  at('n0').free(['x'], undefined)
  expect(told).toHaveLength(99)
  at('n1').isAnywhere('y') // it is in the bucket
  at('n0').free(['y'], 'n1')
  expect(told).toHaveLength(99 + 1 + 99)
})

test('OF2: all are told of what was given to a node that is gone, or in another life', () => {
  at('n0').gave('x', { nodeId: 'n2', epoch: 1 })
  at('n0').gave('y', { nodeId: 'n3', epoch: 1 })
  seen(rowOf('n2', 1, 'DEAD'))
  seen(rowOf('n3', 2))
  at('n0').free(['x'], 'n0')
  expect(told).toHaveLength(98)
  at('n0').free(['y'], 'n0')
  expect(told).toHaveLength(2 * 98)
})

test('OF2: all are told of what was made on a node that is gone, or in another life', () => {
  seen(rowOf('n2', 1, 'DEAD'))
  seen(rowOf('n3', 2))
  at('n0').free(['x'], 'n2')
  at('n0').free(['y'], 'n3')
  expect(told).toHaveLength(2 * 98)
})

test('MF4: all are told of what a node was told shortly before it was gone', async () => {
  away.add('n1')
  at('n0').free(['x'], 'n1')
  expect(told).toEqual(['n0 n1 x'])
  seen(rowOf('n1', 1, 'DEAD'))
  await clock.advance(2_000)
  expect(told).toHaveLength(1 + 98)
  seen(rowOf('n4', 1, 'DEAD'))
  await clock.advance(10_000)
  expect(told).toHaveLength(1 + 98)
})

test('OF3, GV4: what a node missed it passes on, but not to who had the next of that id', async () => {
  at('n1').gave('x', { nodeId: 'n2', epoch: 1 })
  away.add('n1')
  at('n0').free(['x'], 'n1')
  at('n0').lost('n1')
  await clock.advance(5_000)
  at('n1').gave('x', { nodeId: 'n3', epoch: 1 })
  away.clear()
  await clock.advance(5_000)
  expect(told.slice(1).filter((each) => each !== 'n0 n1 x')).toEqual(['n1 n2 x'])
  at('n0').free(['x'], 'n1')
  expect(told.at(-1)).toBe('n1 n3 x')
})

test('GV3: what was forgotten for want of room is told to all', () => {
  for (let i = 0; i <= 100_000; i++) at('n0').gave(`o${i}`, { nodeId: 'n1', epoch: 1 })
  at('n0').free(['o1'], 'n0')
  expect(told).toEqual(['n0 n1 o1'])
  at('n0').free(['o0'], 'n0')
  expect(told).toHaveLength(1 + 99)
})

test('GV3: nodes that have forgotten tell all of what they had, once: no free goes round for ever', () => {
  const forgetful = ['n0', 'n1', 'n2']
  for (const nodeId of forgetful) {
    for (let i = 0; i <= 100_000; i += 1) at(nodeId).gave(`y${i}`, { nodeId: 'n9', epoch: 1 })
  }
  const had = new Map([['n1', new Set(['x'])]])
  stored = {
    get: (nodeId: string) => {
      const first = had.get(nodeId)
      had.delete(nodeId) // freed by then
      return first
    },
  } as unknown as typeof stored
  at('n0').free(['x'], 'n1')
  const others = NODES.length - 1
  expect(told.length).toBeLessThanOrEqual(1 + 2 * others)
})
