// A cluster whose GCS lies in DynamoDB: the same programs, and what they cost.
import { afterAll, expect, it } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { isAlive } from '../../../runtime/common/session-file.ts'
import type { CostLine } from '../../../cli/gcs-cost.ts'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { until } from '../../support/waiting.ts'
import { placeOfEachTest, fixture, type Row } from './virga.ts'

/** A lease is 16 s. */
const DEATH_MS_MAX = 90_000

const place = placeOfEachTest()

const port = async (): Promise<string[]> => ['--port', String(await freePort())]

const cloud = await startCloud()
describeOn(cloud, 'virga start --gcs dynamodb', (cloud) => {
  afterAll(() => cloud.stop())

  const start = async (nodes: number): Promise<void> => {
    const where = ['--gcs', 'dynamodb', '--endpoint-url', cloud.endpoint]
    await place.startNodes({ nodes }, ...where)
  }
  const list = (...args: string[]): Promise<Row[]> => place.rows('nodes', ...args)

  it('several nodes are one cluster, and outlive the first of them', async () => {
    await start(3)
    const rows = await list()
    expect(rows.map((row) => row['state'])).toEqual(['ALIVE', 'ALIVE', 'ALIVE'])
    expect(rows.map((row) => row['isGcsHost'])).toEqual([false, false, false])
    const [first, second] = rows
    const at = ['--address', String(second?.['address'])]
    process.kill(Number(first?.['pid']), 'SIGTERM')
    await until(async () => (await list(...at)).some((row) => row['death'] === 'it was shut down'))
    const alive = (await list(...at)).filter((row) => row['state'] === 'ALIVE')
    expect(alive).toHaveLength(2)
    expect((await place.virga('stop', ...at)).code).toBe(0)
    expect(place.left()).toEqual([])
  })

  it('programs and commands find it when its first node was killed, and virga stop ends it', async () => {
    await start(2)
    const [first, second] = await list()
    process.kill(Number(first?.['pid']), 'SIGKILL')
    await until(() => !isAlive({ pid: Number(first?.['pid']), startTime: '' }))
    expect(await list()).toContainEqual(expect.objectContaining({ pid: second?.['pid'] }))
    const again = await place.virga('start', '--num-cpus', '1', ...(await port()))
    expect(again.stderr).toContain('a cluster runs already')
    const { code, stdout } = await place.node(fixture('home-node.mts')).ended
    expect(code).toBe(0)
    expect(stdout).toContain(String(second?.['nodeId']))
    expect((await place.virga('stop')).code).toBe(0)
    expect(place.left()).toEqual([])
  })

  it(
    'F08: a node that was paused past its lease hears so from its row, and ends',
    async () => {
      await start(3)
      const [, second] = await list()
      const pid = Number(second?.['pid'])
      process.kill(pid, 'SIGSTOP')
      const isDead = async (): Promise<boolean> =>
        (await list()).some((row) => row['pid'] === pid && row['state'] === 'DEAD')
      await until(isDead, DEATH_MS_MAX)
      process.kill(pid, 'SIGCONT')
      await until(() => !isAlive({ pid, startTime: '' }))
    },
    DEATH_MS_MAX,
  )

  it('virga debug gcs-cost tells what its tables have cost, against the budgets', async () => {
    await start(1)
    expect((await place.virga('run', '--plain', fixture('work.mts'))).code).toBe(0)
    expect((await place.virga('run', '--plain', fixture('names-and-groups.mts'))).code).toBe(0)
    const told = async () => await place.json('debug', 'gcs-cost')
    const heartbeats = async (): Promise<CostLine | undefined> =>
      ((await told())['lines'] as CostLine[]).find(({ what }) => what.startsWith('heartbeats'))
    await until(async () => Number((await heartbeats())?.writeUnitsTotal) >= 3)
    expect(Number((await told())['tasks'])).toBeGreaterThan(0)
    expect(await heartbeats()).toMatchObject({ per: 'node-second', budget: 0.25 })
    const { code, stdout } = await place.virga('debug', 'gcs-cost')
    expect(stdout).toMatch(/heartbeats of nodes +[\d.]+ +node-second +0\.25/)
    expect(code, stdout).toBe(0)
    const lines = (await told())['lines'] as CostLine[]
    expect(lines.flatMap(({ what, budget }) => (budget === undefined ? [] : [what]))).toEqual([
      'lineage of tasks',
      'calls of actors',
      'places of large objects',
      'heartbeats of nodes',
      ...['jobs', 'actors and names', 'placement groups', 'adopted owners', 'all else'],
    ])
    // On moto it is 1 for an actor, elsewhere 4.
    for (const what of ['jobs', 'actors and names', 'placement groups']) {
      expect(lines.find((line) => line.what === what)?.writeUnits, what).toBeGreaterThan(0)
    }
    expect(lines.filter(({ isPassed }) => isPassed)).toEqual([])
    // The work has an actor, whose row was written, and calls of it, which wrote nothing.
    expect(await told()).toMatchObject({ calls: 5 + 8 })
    const calls = lines.find(({ what }) => what === 'calls of actors')
    expect(calls).toMatchObject({ writeUnits: 0 })
    expect(calls?.writeUnitsTotal).toBeGreaterThan(0)
  })

  it('tiny tasks cost a thousand write units per million at most, whatever is kept of them', async () => {
    await start(2)
    const program = place.node(fixture('tiny-tasks.mts'))
    const told = async () => await place.json('debug', 'gcs-cost')
    const lineage = async (): Promise<CostLine | undefined> =>
      ((await told())['lines'] as CostLine[]).find(({ what }) => what === 'lineage of tasks')
    await until(async () => Number((await lineage())?.writeUnitsTotal) > 0)
    await until(() => program.output.stdout !== '')
    program.child.stdin?.write('\n')
    const { code, stdout, stderr } = await program.ended
    expect(code, stderr).toBe(0)
    expect(stdout.trim()).toBe('20040')
    expect(Number((await told())['tasks'])).toBeGreaterThan(19_000)
    const { writeUnits, budget } = (await lineage()) ?? {}
    expect(writeUnits).toBeLessThanOrEqual(budget ?? 0)
  })
})

it('virga debug gcs-cost says when there is nothing to tell', async () => {
  await place.json('start', '--num-cpus', '1', ...(await port()))
  const { code, stderr } = await place.virga('debug', 'gcs-cost')
  expect(code).toBe(2)
  expect(stderr).toContain('lies in memory and costs nothing')
  expect((await place.virga('debug', 'nonsense')).stderr).toContain('say gcs-cost')
})

it('an --endpoint-url that is none, or that nothing uses, is refused', async () => {
  const calls = [
    [['--gcs', 'dynamodb', '--endpoint-url', '4566'], '--endpoint-url must be a URL'],
    [['--endpoint-url', 'http://127.0.0.1:4566'], 'go with --gcs dynamodb'],
    [['--gcs', 'redis'], '--gcs must be memory or dynamodb'],
  ] as const
  for (const [args, message] of calls) {
    const { code, stderr } = await place.virga('start', ...args)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  }
})
