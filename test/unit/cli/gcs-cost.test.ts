// What the GCS costs: every unit in one line, counted as its budget counts, and what is beyond it.
import { expect, test } from 'vitest'
import { gcsCost, type GcsCost, type Work } from '../../../cli/gcs-cost.ts'

const units = (nodeId: string, table: string, kind: string, writeUnits: number) => ({
  ...{ nodeId, seconds: 100, table, kind, writeUnits, readUnits: 2, calls: 1 },
  call: 'update',
})

/** 4,000 tasks, 1,000 calls of two actors, one of them in its second life; 10 objects; 2 jobs. */
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
    { store: null }, // of a node that is silent
  ],
  jobs: [{ state: 'RUNNING' }, { state: 'FINISHED' }],
  groups: [{}],
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
  units('a', 'cluster', 'HD', 3),
  units('a', 'cluster', 'P', 2),
  { ...units('a', 'cluster', 'O', 1), call: 'putIf' },
]

const OF_THINGS = {
  ...{ HD: 'jobs', H: 'actors and names', NAME: 'actors and names' },
  ...{ P: 'placement groups', O: 'adopted owners', HO: 'adopted owners' },
}

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
      ['jobs', 1.5, 'job', 6],
      // By 7 writes of 4.5 units each.
      ['actors and names', 3, 'life of an actor', 31.5],
      ['placement groups', 2, 'placement group', 6],
      ['adopted owners', 1, 'adopted owner', 4],
      ['all else', 0, 'node-second', 0],
    ],
  )
  const total = lines.reduce((sum, { writeUnitsTotal }) => sum + writeUnitsTotal, 0)
  expect(total).toBe(116)
  expect(lines.reduce((sum, { readUnitsTotal }) => sum + readUnitsTotal, 0)).toBe(26)
})

test('of all budgets, each that is passed is marked, and no other', () => {
  expect(passed(gcsCost(ALL, WORK))).toEqual([])
  const more = (table: string, kind: string, writeUnits: number, calls = 1): string[] =>
    passed(gcsCost([...ALL, { ...units('a', table, kind, writeUnits), calls }], WORK))
  expect(more('lineage', '', 0.5)).toEqual(['lineage of tasks'])
  // Three lives have been written of twelve times: a write for each of the calls is beyond that.
  expect(more('cluster', 'A', 1000, 1000)).toEqual(['calls of actors'])
  expect(more('locations', '', 1)).toEqual(['places of large objects'])
  expect(more('cluster', 'N', 3)).toEqual(['heartbeats of nodes'])
  expect(more('cluster', 'N', 2)).toEqual([]) // each node may say once that it drains
  // Ten writes more than usual are nothing that grows.
  for (const [kind, what] of Object.entries(OF_THINGS)) {
    expect(more('cluster', kind, 10, 10), kind).toEqual([])
    expect(more('cluster', kind, 40, 40), kind).toEqual([what])
    expect(more('cluster', kind, 4_000), kind).toEqual([]) // a large row, once
  }
  expect(more('cluster', 'JOBS', 1)).toEqual(['all else'])
  expect(more('cluster', '', 1)).toEqual(['all else'])
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
  const none: Work = { summary: [], actors: [], nodes: [], jobs: [], groups: [] }
  const { lines } = gcsCost([units('a', 'cluster', 'HD', 5)], none)
  expect(lines.every(({ writeUnits, isPassed }) => writeUnits === 0 && !isPassed)).toBe(true)
  expect(lines.find(({ what }) => what === 'jobs')?.writeUnitsTotal).toBe(5)
})

test('what is removed, or has ended, counts by what was written of it', () => {
  const write = (kind: string, call: string, calls: number) => ({
    ...{ ...units('a', 'cluster', kind, calls), call, calls },
  })
  const gone = { ...WORK, actors: [], jobs: [], groups: [] }
  const rows = [
    ...[write('HD', 'append', 500), write('HD', 'delete', 500)],
    ...[write('H', 'append', 500), write('H', 'delete', 500), write('A', 'transact', 1000)],
    ...[write('P', 'putIf', 500), write('P', 'update', 500), write('P', 'transact', 500)],
  ]
  expect(passed(gcsCost(rows, gone))).toEqual([])
  const twice = [...rows, ...rows.filter(({ call }) => call === 'append' || call === 'update')]
  expect(passed(gcsCost([...twice, write('P', 'transact', 500)], gone))).toEqual([
    ...['jobs', 'placement groups'],
  ])
})
