// Placement groups over several real nodes, with the GCS in the first of them and in DynamoDB.
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { until } from '../../support/waiting.ts'
import { fixture, Place, type Row } from './virga.ts'

let place: Place
beforeEach(() => {
  place = new Place()
})
afterEach(async () => {
  await place.virga('stop')
  place.remove()
})

const start = async (nodes: number, ...args: string[]): Promise<void> => {
  const port = String(await freePort())
  await place.json(
    ...['start', '--nodes', String(nodes), '--num-cpus', '2', '--port', port, ...args],
  )
}
const rows = async (kind: string): Promise<Row[]> =>
  (await place.json('list', kind))['rows'] as Row[]
const freeCpus = async (): Promise<unknown> =>
  ((await place.json('status'))['resources'] as Row[]).find(({ name }) => name === 'CPU')?.['free']

interface Told {
  readonly nodes: readonly string[]
  readonly there: { readonly here: string; readonly bundle: string }
  readonly removed: string
  readonly made: string
  readonly infeasible: string
  readonly [strategy: string]: unknown
}
interface Ran {
  readonly bundles: readonly string[]
  readonly any: readonly string[]
}

/** Each strategy, removal, a handle on another node: the program says what it saw. */
async function usesGroups(): Promise<void> {
  const { code, stdout, stderr } = await place.node(fixture('groups-on-nodes.mts')).ended
  expect(stderr).toBe('')
  expect(code).toBe(0)
  const told = JSON.parse(stdout) as Told
  const nodesOf = (strategy: string): Set<string> => {
    const { bundles, any } = told[strategy] as Ran
    for (const nodeId of any) expect(bundles).toContain(nodeId)
    return new Set(bundles)
  }
  expect(nodesOf('PACK').size).toBe(1)
  expect(nodesOf('STRICT_PACK').size).toBe(1)
  expect(nodesOf('SPREAD').size).toBe(2)
  expect(nodesOf('STRICT_SPREAD').size).toBe(2)
  expect(told.there.bundle).toBe((told['STRICT_SPREAD'] as Ran).bundles[1])
  expect(told.removed).toBe('PlacementGroupRemovedError')
  expect(told.nodes).toContain(told.made)
  expect(told.infeasible).toContain('STRICT_SPREAD needs a node for each of 4 bundles')
  expect(await rows('placement-groups')).toEqual([])
  await until(async () => (await freeCpus()) === 6)
}

describe('placement groups over nodes', () => {
  it('go where their strategy says, their work with them, and leave nothing', async () => {
    await start(3)
    await usesGroups()
  })
})

const cloud = await startCloud('ministack')
describeOn(cloud, 'placement groups over nodes of virga start --gcs dynamodb', (cloud) => {
  afterAll(() => cloud.stop())

  it('do all that', async () => {
    await start(3, '--gcs', 'dynamodb', '--endpoint-url', cloud.endpoint)
    await usesGroups()
  })
})
