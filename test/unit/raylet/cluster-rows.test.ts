// Rows of several nodes put together.
import { expect, it } from 'vitest'
import type { NodeRow } from '../../../runtime/gcs/nodes.ts'
import type { StateRow } from '../../../runtime/protocol/messages.ts'
import { clusterRows, type ClusterQuestion } from '../../../runtime/raylet/cluster/cluster-rows.ts'
import { units } from './brain.ts'

const aNode = (nodeId: string, changes: Partial<NodeRow> = {}): NodeRow => ({
  ...{ nodeId, address: `127.0.0.1:1/${nodeId}/1`, pid: 7, totals: units({ CPU: 2 }), labels: {} },
  ...{ epoch: 1, state: 'ALIVE', heartbeat: 3, commands: [], lastCommand: 0, doneCommand: 0 },
  ...{ death: undefined, ...changes },
})
const asked = (kind: string, changes: Partial<ClusterQuestion> = {}): ClusterQuestion => ({
  ...{ kind, limit: 10, nodes: [], ...changes },
})
const answer = (...rows: readonly StateRow[]): { rows: StateRow[]; dropped: number } => ({
  ...{ rows: [...rows], dropped: 1 },
})

it('what several nodes have of one resource is one row', () => {
  const cpu = (free: number): StateRow => ({ name: 'CPU', total: 2, free })
  const disk = { name: 'disk', total: 5, free: 5 }
  const { rows } = clusterRows(asked('resources'), [answer(cpu(1)), answer(cpu(2), disk)])
  expect(rows).toEqual([{ name: 'CPU', total: 4, free: 3 }, disk])
  const tenths = clusterRows(asked('resources'), [answer(cpu(0.1)), answer(cpu(0.2))])
  expect(tenths.rows).toMatchObject([{ free: 0.3 }])
})

it('CR1: a node that did not answer has the row that the GCS has of it, and is suspected', () => {
  const nodes = [aNode('aa'), aNode('bb'), aNode('cc', { state: 'DEAD', death: 'no power' })]
  const question = asked('nodes', { nodes })
  const { rows } = clusterRows(question, [answer({ nodeId: 'aa', state: 'ALIVE', workers: 3 })])
  expect(rows).toMatchObject([
    { nodeId: 'aa', workers: 3 },
    { nodeId: 'bb', alive: true, suspected: true, resources: { CPU: 2 }, available: {} },
    { nodeId: 'cc', alive: false, state: 'DEAD', death: 'no power' },
  ])
  expect(rows[2]).not.toHaveProperty('suspected')
})

it('nothing is cut in silence: what any node left out is counted, and what the limit cuts', () => {
  const some = answer({ id: 1 }, { id: 2 })
  const { rows, dropped } = clusterRows(asked('tasks', { limit: 3 }), [some, some])
  expect(rows).toHaveLength(3)
  expect(dropped).toBe(1 + 1 + 1)
})

it('CR4: what waits on several nodes for the same is one row, since the first of them', () => {
  const row = (why: string, count: number, waitedMs: number | null): StateRow => ({
    ...{ kind: 'task', name: 'f', count, waitedMs, demand: { CPU: 1 }, why },
  })
  const answers = [
    answer(row('no CPU', 2, 100), row('its turn', 1, null)),
    answer(row('no CPU', 3, 700), row('its turn', 4, null)),
  ]
  expect(clusterRows(asked('why'), answers).rows).toEqual([
    row('no CPU', 5, 700),
    row('its turn', 5, null),
  ])
})

it('CR3: a placement group is one row, as its coordinator has it, with what its holders have free', () => {
  const row = (answeredBy: string, state: string, free: readonly object[]): StateRow => ({
    ...{ groupId: 'g', state, coordinator: 'aa', answeredBy },
    bundles: ['aa', 'bb'].map((nodeId, index) => ({ nodeId, free: free[index] })),
  })
  const answers = [
    answer(row('bb', 'PENDING', [{}, { CPU: 2 }])),
    answer(row('aa', 'CREATED', [{ CPU: 1 }, {}])),
    answer(row('cc', 'PENDING', [{}, {}])),
  ]
  expect(clusterRows(asked('groups'), answers).rows).toEqual([
    {
      ...{ groupId: 'g', state: 'CREATED', coordinator: 'aa' },
      bundles: [
        { nodeId: 'aa', free: { CPU: 1 } },
        { nodeId: 'bb', free: { CPU: 2 } },
      ],
    },
  ])
  const [orphan] = clusterRows(asked('groups'), answers.slice(2)).rows
  expect(orphan).toMatchObject({ state: 'PENDING' })
})
