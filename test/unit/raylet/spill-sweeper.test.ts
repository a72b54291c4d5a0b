// What a dead node had spilled is swept once, by one of those that live, and again after a failure.
import { expect, it } from 'vitest'
import { GcsUnavailableError } from '../../../runtime/common/errors.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import type { NodeRow } from '../../../runtime/gcs/nodes.ts'
import type { NodeStore } from '../../../runtime/raylet/node-store.ts'
import { SpillSweeper } from '../../../runtime/raylet/cluster/spill-sweeper.ts'
import { until } from '../../support/waiting.ts'

const IDS = ['a', 'b', 'c', 'd']
const row = (nodeId: string, state: string): NodeRow => ({ nodeId, epoch: 1, state }) as NodeRow
const rows = (dead: readonly string[]): NodeRow[] =>
  IDS.map((id) => row(id, dead.includes(id) ? 'DEAD' : 'ALIVE'))

function sweepers(sweep: (by: string, owner: string) => Promise<void>): SpillSweeper[] {
  return IDS.filter((id) => id !== 'd').map((nodeId) => {
    const store = { sweep: (owner: string) => sweep(nodeId, owner) } as unknown as NodeStore
    return new SpillSweeper({ nodeId, log: silentLog, store: () => store })
  })
}

it('one of those that live sweeps what a dead node had spilled, once', () => {
  const swept: string[] = []
  const all = sweepers(async (_, owner) => {
    swept.push(owner)
  })
  for (const each of all) each.nodes(rows([]))
  expect(swept).toEqual([])
  for (let i = 0; i < 3; i++) for (const each of all) each.nodes(rows(['d']))
  expect(swept).toEqual(['d-1'])
})

it('what could not be swept is, at the next change of nodes', async () => {
  let tries = 0
  const all = sweepers(async () => {
    tries += 1
    if (tries === 1) throw new GcsUnavailableError('injected')
  })
  for (const each of all) each.nodes(rows(['d']))
  await until(() => {
    for (const each of all) each.nodes(rows(['d']))
    return tries === 2
  })
})
