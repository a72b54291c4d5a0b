// What the GCS costs: every unit in one line, counted as its budget counts.
import { expect, test } from 'vitest'
import { gcsCost } from '../../../cli/gcs-cost.ts'

const units = (nodeId: string, table: string, kind: string, writeUnits: number) => ({
  ...{ nodeId, seconds: 100, table, kind, writeUnits, readUnits: 2, calls: 1 },
  call: 'update',
})

test('units of all nodes are summed, per 1,000 tasks or per node and second', () => {
  const rows = [
    units('a', 'lineage', '', 3),
    units('b', 'lineage', '', 1),
    units('a', 'cluster', 'N', 25),
    units('b', 'cluster', 'N', 25),
    { ...units('a', 'cluster', 'N', 1), call: 'putIf' },
    units('a', 'cluster', 'NAME', 4),
    units('a', 'cluster', '', 1),
    units('b', 'locations', '', 2),
  ]
  const { lines, ...all } = gcsCost(rows, 4000)
  expect(all).toEqual({ tasks: 4000, nodes: 2, nodeSeconds: 200 })
  expect(lines.map(({ what, writeUnits, budget }) => [what, writeUnits, budget])).toEqual([
    ['lineage of tasks', 1, 1],
    ['heartbeats of nodes', 0.25, 0.25],
    ['places of large objects', 0.5, undefined],
    ['jobs, actors, names, joining', 1.5, undefined],
  ])
  const total = lines.reduce((sum, { writeUnitsTotal }) => sum + writeUnitsTotal, 0)
  expect(total).toBe(62)
  expect(lines.reduce((sum, { readUnitsTotal }) => sum + readUnitsTotal, 0)).toBe(16)
})

test('before any task has ended nothing is divided by none', () => {
  const { lines } = gcsCost([units('a', 'cluster', 'JOBS', 5)], 0)
  expect(lines.every(({ writeUnits }) => writeUnits === 0)).toBe(true)
  expect(lines.at(-1)?.writeUnitsTotal).toBe(5)
})
