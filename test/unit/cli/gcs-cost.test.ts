// What the GCS costs: every unit in one line, counted as its budget counts, and what is beyond it.
import { expect, test } from 'vitest'
import { gcsCost, type GcsCost, type Work } from '../../../cli/gcs-cost.ts'

const units = (nodeId: string, table: string, kind: string, writeUnits: number) => ({
  ...{ nodeId, seconds: 100, table, kind, writeUnits, readUnits: 2, calls: 1 },
  call: 'update',
})

/** 4,000 tasks, 1,000 calls of two actors, one of them in its second life; 10 objects. */
const WORK: Work = {
  summary: [
    { kind: 'task', done: 3_000, failed: 999 },
    { kind: 'task', done: 1, failed: 0 },
    { kind: 'actor', done: 990, failed: 10 },
  ],
  actors: [{ incarnation: 0 }, { incarnation: 1 }],
  nodes: [
    { store: { totals: { createdCount: 6 } } },
    { store: { totals: { createdCount: 4 } } },
    { store: null }, // of a node that is dead
  ],
}
const ALL = [
  units('a', 'lineage', '', 3),
  units('b', 'lineage', '', 1),
  { ...units('a', 'cluster', 'A', 24), calls: 12 },
  { ...units('b', 'cluster', 'A', 5), call: 'transact' },
  units('a', 'locations', '', 20),
  units('a', 'cluster', 'N', 25),
  units('b', 'cluster', 'N', 25),
  { ...units('a', 'cluster', 'N', 1), call: 'putIf' },
  units('a', 'cluster', 'M', 2),
  units('a', 'cluster', 'NAME', 4),
  units('a', 'cluster', '', 1),
]

const passed = ({ lines }: GcsCost): string[] =>
  lines.filter(({ isPassed }) => isPassed).map(({ what }) => what)

test('units of all nodes are summed, each by what its budget counts', () => {
  const { lines, ...all } = gcsCost(ALL, WORK)
  expect(all).toEqual({
    ...{ tasks: 4000, calls: 1000, largeObjects: 10, nodes: 2, nodeSeconds: 200 },
  })
  expect(lines.map(({ what, per, writeUnits, budget }) => [what, writeUnits, per, budget])).toEqual(
    [
      ['lineage of tasks', 1, '1,000 tasks', 1],
      ['calls of actors', 0, 'actor call', 0],
      ['places of large objects', 2, 'large object', 2],
      ['heartbeats of nodes', 0.25, 'node-second', 0.25],
      ['registration of nodes', 1.5, 'node', undefined],
      ['jobs, actors, names, groups', 2.5, '1,000 tasks', undefined],
    ],
  )
  const total = lines.reduce((sum, { writeUnitsTotal }) => sum + writeUnitsTotal, 0)
  expect(total).toBe(111)
  expect(lines.reduce((sum, { readUnitsTotal }) => sum + readUnitsTotal, 0)).toBe(22)
})

test('of four budgets, each that is passed is marked, and no other', () => {
  expect(passed(gcsCost(ALL, WORK))).toEqual([])
  const more = (table: string, kind: string, writeUnits: number, calls = 1): string[] =>
    passed(gcsCost([...ALL, { ...units('a', table, kind, writeUnits), calls }], WORK))
  expect(more('lineage', '', 0.5)).toEqual(['lineage of tasks'])
  // Three lives have been written of twelve times: a write for each of the calls is beyond that.
  expect(more('cluster', 'A', 1000, 1000)).toEqual(['calls of actors'])
  expect(more('locations', '', 1)).toEqual(['places of large objects'])
  expect(more('cluster', 'N', 3)).toEqual(['heartbeats of nodes'])
  expect(more('cluster', 'N', 2)).toEqual([]) // each node may say once that it drains
  expect(more('cluster', 'NAME', 100)).toEqual([])
})

test('what is beyond the lives of actors is told per call', () => {
  const writes = { ...units('a', 'cluster', 'A', 2000), calls: 1000 }
  const { lines } = gcsCost([...ALL, writes], WORK)
  expect(lines.find(({ per }) => per === 'actor call')?.writeUnits).toBeCloseTo(2, 6)
})

test('the rows of actors that have gone count as lives by what their nodes held no more', () => {
  const rows = [
    { ...units('a', 'cluster', 'A', 8000), calls: 8000 },
    { ...units('a', 'cluster', 'H', 2000), calls: 2000, call: 'delete' },
  ]
  expect(passed(gcsCost(rows, { ...WORK, actors: [] }))).toEqual([])
})

test('a second has a segment, however few tasks: fewer than a thousand pass nothing', () => {
  const work = { ...WORK, summary: [{ kind: 'task', done: 999, failed: 0 }] }
  expect(passed(gcsCost([units('a', 'lineage', '', 5)], work))).toEqual([])
})

test('before any task has ended nothing is divided by none', () => {
  const none: Work = { summary: [], actors: [], nodes: [] }
  const { lines } = gcsCost([units('a', 'cluster', 'JOBS', 5)], none)
  expect(lines.every(({ writeUnits, isPassed }) => writeUnits === 0 && !isPassed)).toBe(true)
  expect(lines.at(-1)?.writeUnitsTotal).toBe(5)
})
