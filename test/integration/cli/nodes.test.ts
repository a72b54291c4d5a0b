// A cluster of several nodes on this machine: real raylets, TLS between them, the GCS in the first.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { isAlive, startTimeOf } from '../../../runtime/common/session-file.ts'
import { fewOrAll } from '../../support/scale.ts'
import { until } from '../../support/waiting.ts'
import { fixture, jsonLines, placeOfEachTest, type Row } from './virga.ts'

/** A lease of 16 s, seen by reads 2 s apart, and told with a heartbeat. */
const DEATH_MS = 40_000

/** Rounds of fill.mts: one that starts the workers, and tries to have all at work within a second. */
const FILL_ROUNDS = 1 + 4
/** A fast run, beside which anything may run, only counts, and has one try (D188). */
const FILL_MS = fewOrAll(Infinity, 1_000)
/** A round takes 3 s on a quiet machine, and 20 at a load of 30. */
const FILLED_MS = 150_000

/** As fill.mts says it. */
interface Filled {
  readonly counts: readonly number[]
  readonly lastBeganAt: number
  readonly lastBeganMs: number
}

const place = placeOfEachTest(FILLED_MS)

const start = (nodes: number): Promise<Row> => place.startNodes({ nodes })
const list = (): Promise<Row[]> => place.rows('nodes')
const pidsOf = (rows: readonly Row[]): number[] => rows.map((row) => Number(row['pid']))
const areGone = (pids: readonly number[]): boolean =>
  pids.every((pid) => !isAlive({ pid, startTime: '' }) || startTimeOf(pid) === 'zombie')

describe('virga start --nodes 3', () => {
  it('is one cluster, of which every command tells all, and virga stop leaves nothing', async () => {
    await start(3)
    const rows = await list()
    expect(rows.map((row) => row['state'])).toEqual(['ALIVE', 'ALIVE', 'ALIVE'])
    expect(rows.map((row) => row['isGcsHost'])).toEqual([true, false, false])
    expect(new Set(rows.map((row) => row['nodeId'])).size).toBe(3)
    const { resources, cluster } = await place.json(
      'status',
      '--address',
      String(rows[1]?.['address']),
    )
    expect(cluster).toMatchObject({ nodeId: rows[1]?.['nodeId'], address: rows[1]?.['address'] })
    expect(resources).toContainEqual({ name: 'CPU', total: 6, free: 6, used: 0 })
    expect((await place.virga('status')).stdout.match(/ALIVE/g)).toHaveLength(3)
    expect((await place.virga('stop')).code).toBe(0)
    expect(areGone(pidsOf(rows))).toBe(true)
    expect(place.left()).toEqual([])
  })

  it('says at once to a durable job that it has no bucket for what is large', async () => {
    await start(2)
    const { code, stdout, stderr } = await place.node(fixture('durable-no-bucket.mts')).ended
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: '2 small\nUsageError\n' })
    expect(stderr.match(/VIRGA_NO_BUCKET/g)).toHaveLength(1)
  })

  it('of one node too is joined by others, which run what asks for them and leave again', async () => {
    const { address } = await start(1)
    const join = ['start', '--address', String(address), '--num-cpus', '1']
    const { nodeId } = await place.json(...join, '--labels', '{"host":"joined"}')
    const staying = place.start(...join, '--nodes', '2', '--block')
    const alive = async (): Promise<unknown[]> =>
      (await list()).filter(({ state }) => state === 'ALIVE').map((row) => row['nodeId'])
    await until(async () => (await alive()).length === 4)
    const onJoined = fixture('../../faults/fixtures/on-hosts.mts')
    expect((await place.node(onJoined, 'joined').ended).stdout.trim()).toBe(nodeId)
    expect(staying.output.stdout).toContain('2 nodes have joined the cluster')
    staying.child.kill('SIGINT')
    expect((await staying.ended).code).toBe(0)
    await until(async () => (await alive()).length === 2)
    expect(await alive()).toContain(nodeId)
    expect((await place.virga('stop')).code).toBe(0)
    expect(place.left()).toEqual([])
  })

  it('is joined by nobody without --nodes, and says what to do', async () => {
    const { address } = await place.json('start', '--port', String(await freePort()))
    const alone = await place.virga('start', '--address', String(address))
    expect(alone.code).toBe(2)
    expect(alone.stderr).toContain('virga start --nodes 1 or more')
    const gcs = await place.virga('start', '--address', String(address), '--gcs', 'memory')
    expect(gcs.code).toBe(2)
    expect(gcs.stderr).toContain('--gcs is of a new cluster')
    expect((await place.virga('stop')).code).toBe(0)
  })

  it("runs a program's tasks on all of them, bound ones where they are to be, and their children", async () => {
    await start(3)
    const { code, stdout, stderr } = await place.node(fixture('on-nodes.mts')).ended
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const told = JSON.parse(stdout) as Record<'nodes' | 'many' | 'bound' | 'nested', string[]>
    expect(new Set(told.many)).toEqual(new Set(told.nodes))
    expect(new Set(told.bound)).toEqual(new Set(told.nodes.slice(-1)))
    expect(told.nested).toHaveLength(40)
    expect(told).toMatchObject({ failed: 'RangeError: as asked' })
    expect(told).toMatchObject({ sums: [2e6, 2e6, 2e6, 3e5, 4e5] })
    await until(async () => (await place.json('status'))['jobs']?.toString() === '')
    const { resources } = await place.json('status')
    expect(resources).toContainEqual({ name: 'CPU', total: 6, free: 6, used: 0 })
    // Other nodes look within 3 s whether the job is over (EJ2).
    await until(async () => (await place.rows('objects')).length === 0)
    const jobs = await place.rows('jobs')
    expect(jobs.map((row) => row['state'])).toEqual(['FINISHED'])
  })

  it('B47: what a task throws at once where nobody catches it is told from any of them', async () => {
    await start(3)
    const { code, stdout, stderr } = await place.node(fixture('rejects-on-nodes.mts')).ended
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const told = 'RangeError: nobody catches it'
    expect(JSON.parse(stdout)).toEqual([told, told, told])
  })

  it(
    '10,000 short tasks fill every CPU of eight nodes within a second, once they have workers',
    async () => {
      await place.startNodes({ nodes: 8, numCpus: 1 })
      const program = place.node(fixture('fill.mts'), String(FILL_ROUNDS), String(FILL_MS))
      const { code, stderr } = await program.ended
      expect(code, stderr).toBe(0)
      const rounds = jsonLines<Filled>(program)
      expect(rounds.length).toBeGreaterThan(1)
      for (const { counts } of rounds) expect(counts).toHaveLength(8)
      // At first seven processes are started: how long that takes tells of the machine.
      const [first, ...warm] = rounds
      expect(first?.lastBeganAt).toBeLessThan(10_000 / 10)
      expect(Math.min(...(first?.counts ?? []))).toBeGreaterThan(10_000 / 8 / 2)
      // The best of some: in one of them the machine may have had something else to do.
      expect(Math.min(...warm.map(({ lastBeganMs }) => lastBeganMs))).toBeLessThan(FILL_MS)
    },
    FILLED_MS,
  )

  it('what a task of a task printed on a third node reaches the driver before it leaves', async () => {
    await start(3)
    const { code, stdout } = await place.node(fixture('nested-output.mts')).ended
    expect(code).toBe(0)
    expect(stdout).toContain('printed by the third')
  })

  it('virga logs shows what was written on any of them', async () => {
    await start(3)
    const [, second, third] = (await list()).map((row) => String(row['nodeId']))
    expect((await place.node(fixture('nested-output.mts')).ended).code).toBe(0)
    const names = (await place.json('logs'))['logs'] as string[]
    expect(new Set(names).size).toBe(names.length)
    const ofThird = names.filter((name) => name.endsWith(String(third).slice(0, 8)))
    // A node may have started more workers than the one that was needed: those wrote nothing.
    const ofWorkers = ofThird.filter((name) => name.startsWith('worker-'))
    const texts = await Promise.all(
      ofWorkers.map(async (name) => (await place.virga('logs', name)).stdout),
    )
    expect(texts.filter((text) => text !== '')).toEqual(['printed by the third\n'])
    const worker = String(ofWorkers[texts.findIndex((text) => text !== '')])
    const id = worker.slice('worker-'.length, 'worker-'.length + 8) + String(third).slice(0, 20)
    expect((await place.virga('logs', id)).stdout).toBe('printed by the third\n')
    const jobs = (await place.json('list', 'jobs'))['rows'] as Row[]
    const { stdout: ofJob } = await place.virga('logs', String(jobs[0]?.['jobId'])) // it has ended
    expect(ofJob).toContain(`(${worker}) printed by the third`)
    expect(names.filter((name) => name.endsWith(String(second).slice(0, 8)))).not.toEqual([])
    expect((await place.virga('logs', '0000')).stderr).toContain('give more of the id')
    expect((await place.virga('logs', 'raylet')).stdout).toContain('"msg":"a job has ended"')
  })

  it('has keys that nobody but the owner of the cluster can read', async () => {
    const { sessionDir } = await start(2)
    const path = join(String(sessionDir), 'credentials.json')
    expect(statSync(path).mode & 0o077).toBe(0)
    expect(readFileSync(path, 'utf8')).toContain('PRIVATE KEY')
  })

  it('a node that is asked to stop leaves the others at once', async () => {
    await start(3)
    const [, second] = await list()
    process.kill(Number(second?.['pid']), 'SIGTERM')
    await until(async () => (await list()).some((row) => row['death'] === 'it was shut down'))
    const states = (await list()).map((row) => row['state'])
    expect(states.filter((state) => state === 'ALIVE')).toHaveLength(2)
    expect((await place.virga('status')).stdout).toContain('DEAD, it was shut down')
  })

  it('F13: one that is killed does not answer within seconds, and is dead after its lease', async () => {
    await start(3)
    const [, second] = await list()
    process.kill(Number(second?.['pid']), 'SIGKILL')
    await until(async () => (await list()).some((row) => row['suspected'] === true))
    await until(async () => (await list()).some((row) => row['state'] === 'DEAD'), DEATH_MS)
    const rows = await list()
    expect(rows.filter((row) => row['alive'] === true)).toHaveLength(2)
    expect(String(rows.find((row) => row['alive'] === false)?.['death'])).toContain('lease expire')
    expect((await place.virga('stop')).code).toBe(0)
  })

  it('the end of the node that holds the GCS is the end of all, as its drivers are told: nothing stays behind', async () => {
    const { pid } = await start(3)
    const rows = await list()
    const pids = pidsOf(rows)
    const other = rows.find((row) => row['isGcsHost'] === false)
    place.env['VIRGA_ADDRESS'] = String(other?.['address'])
    const driver = place.node(fixture('never-ends.mts'))
    await until(() => driver.output.stdout.includes('waits') || driver.child.exitCode !== null)
    process.kill(Number(pid), 'SIGKILL')
    const { stderr } = await driver.ended
    delete place.env['VIRGA_ADDRESS']
    expect(stderr).toContain('NodeDiedError')
    expect(stderr).toContain('the node that held the GCS has ended')
    await until(() => areGone(pids))
    expect((await place.virga('status')).code).toBe(3)
  })

  it('says why a node could not be started when the first has ended meanwhile', async () => {
    const port = String(await freePort())
    const starting = place.start('start', '--nodes', '3', '--num-cpus', '2', '--port', port)
    const files = (): string[] =>
      place.left().map((name) => join(place.runtimeDir, 'virga', name, 'node.json'))
    // The others are begun once the first has said that it is there: before, it says nothing.
    await until(() => files().length > 1 && files().some((path) => existsSync(path)))
    const [first = ''] = files().filter((path) => existsSync(path))
    process.kill(Number((JSON.parse(readFileSync(first, 'utf8')) as Row)['pid']), 'SIGKILL')
    const { code, stderr } = await starting.ended
    expect(code).toBe(1)
    expect(stderr).toContain('the raylet did not start')
    expect(stderr).not.toContain('It wrote nothing')
  })
})
