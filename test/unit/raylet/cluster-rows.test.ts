// Rows of several nodes put together.
import { expect, it } from 'vitest'
import type { NodeRow } from '../../../runtime/gcs/nodes.ts'
import type { StateRow } from '../../../runtime/protocol/messages.ts'
import { clusterRows, type ClusterQuestion } from '../../../runtime/raylet/cluster-rows.ts'
import { units } from './brain.ts'

const aNode = (nodeId: string, changes: Partial<NodeRow> = {}): NodeRow => ({
  ...{ nodeId, address: `127.0.0.1:1/${nodeId}/1`, pid: 7, totals: units({ CPU: 2 }), labels: {} },
  ...{ epoch: 1, state: 'ALIVE', heartbeat: 3, commands: [], lastCommand: 0, doneCommand: 0 },
  ...{ death: undefined, ...changes },
})
const asked = (kind: string, changes: Partial<ClusterQuestion> = {}): ClusterQuestion => ({
  ...{ kind, limit: 10, nodes: [], isSuspected: () => false, ...changes },
})
const answer = (...rows: readonly StateRow[]): { rows: StateRow[]; dropped: number } => ({
  ...{ rows: [...rows], dropped: 1 },
})

it('what several nodes have of one resource is one row', () => {
  const cpu = (free: number): StateRow => ({ name: 'CPU', total: 2, free })
  const disk = { name: 'disk', total: 5, free: 5 }
  const { rows } = clusterRows(asked('resources'), [answer(cpu(1)), answer(cpu(2), disk)])
  expect(rows).toEqual([{ name: 'CPU', total: 4, free: 3 }, disk])
})

it('a node that did not answer has the row that the GCS has of it', () => {
  const nodes = [aNode('aa'), aNode('bb'), aNode('cc', { state: 'DEAD', death: 'no power' })]
  const question = asked('nodes', { nodes, isSuspected: (id) => id === 'bb' })
  const { rows } = clusterRows(question, [answer({ nodeId: 'aa', state: 'ALIVE', workers: 3 })])
  expect(rows).toMatchObject([
    { nodeId: 'aa', workers: 3 },
    { nodeId: 'bb', alive: true, suspected: true, resources: { CPU: 2 }, available: {} },
    { nodeId: 'cc', alive: false, state: 'DEAD', death: 'no power' },
  ])
})

it('nothing is cut in silence: what any node left out is counted, and what the limit cuts', () => {
  const some = answer({ id: 1 }, { id: 2 })
  const { rows, dropped } = clusterRows(asked('tasks', { limit: 3 }), [some, some])
  expect(rows).toHaveLength(3)
  expect(dropped).toBe(1 + 1 + 1)
})
