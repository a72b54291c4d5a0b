// Placement groups over several real nodes, with the GCS in the first of them and in DynamoDB.
import { afterAll, describe, expect, it } from 'vitest'
import { describeOn, startCloud } from '../../support/emulator.ts'
import type { Running } from '../../support/running.ts'
import { until } from '../../support/waiting.ts'
import { fixture, jsonLines, placeOfEachTest, type Row } from './virga.ts'

/** A lease of 16 s and the reads of two watchers, on a busy machine; so long are commands let run. */
const DEATH_MS = 60_000
const TEST_MS = 150_000

const place = placeOfEachTest(TEST_MS)

const rows = (kind: string, ...args: readonly string[]): Promise<Row[]> => place.rows(kind, ...args)
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
  expect(told['actors']).toEqual((told['STRICT_SPREAD'] as Ran).bundles)
  expect(told['ended']).toEqual(Array(2).fill('PlacementGroupRemovedError'))
  expect(told.removed).toBe('PlacementGroupRemovedError')
  expect(told.nodes).toContain(told.made)
  expect(told.infeasible).toContain('STRICT_SPREAD needs a node for each of 4 bundles')
  expect(await rows('placement-groups')).toEqual([])
  await until(async () => (await freeCpus()) === 6)
}

interface Standing {
  readonly id: string
  readonly bundles: readonly string[]
}

/** A program with a group of two bundles on two nodes, and a task in it that never ends. */
class Survivor {
  readonly #running: Running
  #lines = 0

  /** @param env  AT: the node to attach to. LIFETIME: of the group. */
  constructor(env: { readonly AT?: string; readonly LIFETIME?: string } = {}) {
    Object.assign(place.env, env)
    this.#running = place.node(fixture('group-survives.mts'))
  }

  /** What it says next. */
  async says(): Promise<Standing> {
    const said = this.#lines++
    await until(() => jsonLines(this.#running).length > said, DEATH_MS)
    return jsonLines<Standing>(this.#running)[said] as Standing
  }

  tell(line: string): void {
    this.#running.child.stdin?.write(`${line}\n`)
  }

  /** It reads no more. @returns its exit code. */
  async end(): Promise<number | null> {
    this.#running.child.stdin?.end()
    return (await this.#running.ended).code
  }
}

/** @param listed  by `virga list nodes`. */
const kill = (listed: readonly Row[], nodeId: string | undefined): void => {
  process.kill(Number(listed.find((row) => row['nodeId'] === nodeId)?.['pid']), 'SIGKILL')
}

/** The bundles on a node that was killed are placed anew, and the others stay. */
async function survivesLoss(): Promise<void> {
  const listed = await rows('nodes')
  const program = new Survivor()
  const before = await program.says()
  const lost = before.bundles.findLast((nodeId) => nodeId !== listed[0]?.['nodeId'])
  kill(listed, lost)
  const isMended = async (): Promise<boolean> => {
    const [row] = await rows('placement-groups')
    const nodeIds = ((row?.['bundles'] ?? []) as Row[]).map(({ nodeId }) => nodeId)
    return row?.['state'] === 'CREATED' && !nodeIds.includes(lost)
  }
  await until(isMended, DEATH_MS) // until then its workers may still take what is pushed to them
  program.tell('again')
  const after = await program.says()
  expect(after.bundles).not.toContain(lost)
  for (const [index, nodeId] of before.bundles.entries()) {
    if (nodeId !== lost) expect(after.bundles[index]).toBe(nodeId)
  }
  expect(await rows('placement-groups')).toMatchObject([
    { state: 'CREATED', bundles: after.bundles.map((nodeId) => ({ nodeId })) },
  ])
  expect(await program.end()).toBe(0)
  await until(async () => (await freeCpus()) === 4, DEATH_MS)
}

/** A detached group whose job is over is found by its name, and removed by a command. */
async function keptUntilRemoved(): Promise<void> {
  const ran = async (env: Readonly<Record<string, string>>): Promise<string> => {
    Object.assign(place.env, env)
    const { code, stdout, stderr } = await place.node(fixture('group-by-name.mts')).ended
    for (const name of Object.keys(env)) delete place.env[name]
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    return stdout
  }
  const [first, second] = await rows('nodes')
  await ran({ MAKES: 'STRICT_SPREAD', AT: String(second?.['address']) })
  const [listed] = await rows('placement-groups')
  expect(listed).toMatchObject({ name: 'kept', state: 'CREATED', detached: true })
  const jobs = await rows('jobs', '--filter', `jobId=${String(listed?.['jobId'])}`)
  expect(jobs).toMatchObject([{ state: 'FINISHED' }])

  const bundles = listed?.['bundles'] as Row[]
  const found = JSON.parse(await ran({ AT: String(first?.['address']) })) as Row
  expect(found).toEqual({
    id: listed?.['groupId'],
    bundles: [{ CPU: 1 }, { CPU: 1 }],
    ranAt: bundles[1]?.['nodeId'],
  })

  const unknown = await place.virga('remove', 'placement-group', 'zz')
  expect(unknown.code).toBe(2)
  expect(unknown.stderr).toContain("no groupId starts with 'zz'")
  const id = String(found['id']).slice(0, 8)
  const { code, stdout } = await place.virga('remove', 'placement-group', id)
  expect({ code, stdout }).toEqual({
    ...{ code: 0, stdout: `Placement group ${String(found['id'])} (kept) is removed.\n` },
  })
  expect(await rows('placement-groups')).toEqual([])
  await until(async () => (await freeCpus()) === 4)
}

describe('placement groups over nodes', () => {
  it('a detached one is found by its name once its job is over, and removed', async () => {
    await place.startNodes({ nodes: 2 })
    await keptUntilRemoved()
  })

  it(
    'when a node is killed, its bundles are placed anew and the others stay',
    async () => {
      await place.startNodes({ nodes: 3 })
      await survivesLoss()
    },
    TEST_MS,
  )

  it(
    'the end of the coordinator leaves nothing taken',
    async () => {
      await place.startNodes({ nodes: 3 })
      const listed = await rows('nodes')
      const [first, second] = listed
      const program = new Survivor({ AT: String(second?.['address']) })
      await program.says()
      expect(await rows('placement-groups')).toMatchObject([{ coordinator: second?.['nodeId'] }])
      kill(listed, String(second?.['nodeId']))
      await program.end()
      await until(async () => (await rows('placement-groups')).length === 0, DEATH_MS)
      await until(async () => (await freeCpus()) === 4, DEATH_MS)
      expect(await rows('nodes')).toContainEqual(expect.objectContaining({ pid: first?.['pid'] }))
    },
    TEST_MS,
  )

  it(
    'a detached one is taken over when its coordinator is killed, and mended',
    async () => {
      await place.startNodes({ nodes: 3 })
      const listed = await rows('nodes')
      const killed = String(listed[1]?.['nodeId'])
      const program = new Survivor({
        ...{ AT: String(listed[1]?.['address']), LIFETIME: 'detached' },
      })
      const { id } = await program.says()
      // DG1: all of it lies there, and nobody uses it.
      Object.assign(place.env, { MAKES: 'STRICT_PACK' })
      expect((await place.node(fixture('group-by-name.mts')).ended).code).toBe(0)
      kill(listed, killed)
      await program.end()
      const others = listed.map((row) => row['nodeId']).filter((nodeId) => nodeId !== killed)
      const isMended = async (): Promise<boolean> => {
        const all = await rows('placement-groups')
        const row = all.find(({ groupId }) => groupId === id)
        const nodeIds = ((row?.['bundles'] ?? []) as Row[]).map(({ nodeId }) => nodeId)
        const isWhole = ({ state, coordinator }: Row): boolean =>
          state === 'CREATED' && others.includes(coordinator)
        return (
          all.length === 2 && all.every(isWhole) && others.every((each) => nodeIds.includes(each))
        )
      }
      await until(isMended, DEATH_MS)
      await until(async () => (await freeCpus()) === 1.5, DEATH_MS)
    },
    TEST_MS,
  )

  it('go where their strategy says, their work with them, and leave nothing', async () => {
    await place.startNodes({ nodes: 3 })
    await usesGroups()
  })
})

const cloud = await startCloud()
describeOn(cloud, 'placement groups over nodes of virga start --gcs dynamodb', (cloud) => {
  afterAll(() => cloud.stop())

  it('do all that', async () => {
    await place.startNodes({ nodes: 3 }, '--gcs', 'dynamodb', '--endpoint-url', cloud.endpoint)
    await usesGroups()
  })

  it(
    'outlive a node there too',
    async () => {
      await place.startNodes({ nodes: 3 }, '--gcs', 'dynamodb', '--endpoint-url', cloud.endpoint)
      await survivesLoss()
    },
    TEST_MS,
  )
})
