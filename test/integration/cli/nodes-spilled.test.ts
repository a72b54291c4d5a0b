// A node dies that has spilled to S3: on real nodes, with an emulator.
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { S3Bucket } from '../../../runtime/gcs/bucket-s3.ts'
import { findLocations } from '../../../runtime/gcs/object-locations.ts'
import { clientDeps, makeStorage } from '../../support/dynamo-storage.ts'
import { BUCKET, CLUSTER, REGION, describeOn, startCloud } from '../../support/emulator.ts'
import { COMPLETE, startFaultProxy } from '../../support/fault-proxy.ts'
import { until } from '../../support/waiting.ts'
import { fixture, placeOfEachTest, type Row } from './virga.ts'

/** A node is known to be dead after its lease of 16 s. */
const DEATH_MS = 120_000
/** Jobs are asked for after 10 s, 20 s, 40 s, and then once a minute. */
const SWEPT_MS = 90_000
const MIB = 1024 * 1024
const PREFIX = 'spilled/'

const place = placeOfEachTest(DEATH_MS)

const cloud = await startCloud()
describeOn(cloud, 'F07: a node dies that has spilled to a bucket', (cloud) => {
  const { endpoint } = cloud
  const { storage } = makeStorage(cloud)
  const bucket = new S3Bucket(clientDeps(), {
    ...{ bucket: BUCKET, prefix: PREFIX, endpoint, region: REGION },
  })
  afterAll(() => {
    storage.close()
    bucket.close()
    return cloud.stop()
  })

  const isSpilled = async (id: string): Promise<boolean> =>
    (await findLocations(storage, id)).length > 0
  const filesOf = async (node: unknown): Promise<number> =>
    (await bucket.list(`spill/${String(node)}-`, { limit: 100 })).length

  it(
    'F42: what lies there is read, not made again, and is swept when its job has ended',
    async () => {
      const { program, made, folder, nodeId } = await spillAndDie()
      const safe = await Promise.all(made.results.map(isSpilled))
      program.child.stdin?.write('go\n')
      const { code, stdout, stderr } = await program.ended
      expect(code, stderr).toBe(0)
      const { values } = JSON.parse(stdout.split('\n')[1] ?? '') as { readonly values: unknown }
      expect(values).toEqual([77, ...made.results.keys()])
      const runs = made.results.map((_, i) => readFileSync(join(folder, String(i)), 'utf8'))
      expect(runs.filter((_, i) => safe[i])).toEqual(safe.flatMap((is) => (is ? ['ran\n'] : [])))
      await until(async () => (await filesOf(nodeId)) === 0, SWEPT_MS)
    },
    DEATH_MS + SWEPT_MS,
  )

  it(
    'F42: what still lies there is swept when the cluster ends',
    async () => {
      const { nodeId } = await spillAndDie()
      const isDead = async (): Promise<boolean> =>
        (await nodesOf('DEAD')).some((node) => node['nodeId'] === nodeId)
      await until(isDead, DEATH_MS)
      expect(await filesOf(nodeId)).toBeGreaterThan(0)
      expect((await place.virga('stop')).code).toBe(0)
      expect(await filesOf(nodeId)).toBe(0)
    },
    DEATH_MS,
  )

  it(
    'F42: uploads that it has begun and not ended are aborted: of what it spilled, and kept',
    async () => {
      const s3 = await startFaultProxy(endpoint, 1)
      try {
        const { nodeId, pid } = await startNodes(3, s3.endpoint)
        const node = String(nodeId)
        s3.set([{ fault: 'blackhole', operation: COMPLETE }])
        const spills = place.node(fixture('spilled-objects.mts'), node, place.runtimeDir, '20')
        const keeps = place.node(fixture('large-kept.mts'), node, '150')
        const halves = async (): Promise<boolean[]> =>
          (await bucket.listUploads('')).map(({ key }) => key.startsWith(`spill/${node}-`))
        await until(async () => new Set(await halves()).size === 2)
        s3.set([{ fault: 'blackhole' }])
        process.kill(Number(pid), 'SIGKILL')
        for (const { child } of [spills, keeps]) child.kill('SIGKILL')
        s3.set([])
        const isSwept = async (): Promise<boolean> =>
          (await halves()).length === 0 && (await filesOf(node)) === 0 // uploads go first
        await until(isSwept, DEATH_MS + SWEPT_MS)
      } finally {
        await s3.stop()
      }
    },
    DEATH_MS + SWEPT_MS,
  )

  it(
    'F42: what is larger than any store is read from there into a file',
    async () => {
      const third = String((await startNodes(3))['nodeId'])
      const program = place.node(fixture('large-kept.mts'), third, '150')
      await until(() => program.output.stdout.includes('\n'), DEATH_MS)
      const { id } = JSON.parse(program.output.stdout) as { readonly id: string }
      expect(await isSpilled(id)).toBe(true)
      const { pid } = (await nodesOf('ALIVE')).find(({ nodeId }) => nodeId === third) ?? {}
      process.kill(Number(pid), 'SIGKILL')
      program.child.stdin?.write('go\n')
      const { code, stdout, stderr } = await program.ended
      expect(code, stderr).toBe(0)
      expect(JSON.parse(stdout.split('\n')[1] ?? '')).toEqual({ byGet: 0, asArgument: 0 })
    },
    DEATH_MS + SWEPT_MS,
  )

  it(
    'F06: what no node that stays has room for is read from there when its node has left',
    async () => {
      await startNodes(2)
      const [, second] = await nodesOf('ALIVE')
      const program = place.node(fixture('handed-on.mts'), String(second?.['nodeId']))
      await until(() => program.output.stdout.includes('\n'))
      const { id } = JSON.parse(program.output.stdout) as { readonly id: string }
      expect(await isSpilled(id)).toBe(false)
      fillDisks()
      process.kill(Number(second?.['pid']), 'SIGTERM')
      const hasLeft = async (): Promise<boolean> =>
        (await nodesOf('DEAD')).some((row) => row['nodeId'] === second?.['nodeId'])
      await until(hasLeft, DEATH_MS)
      expect(await isSpilled(id)).toBe(true)
      program.child.stdin?.write('go\n')
      const { code, stdout, stderr } = await program.ended
      expect(code, stderr).toBe(0)
      expect(JSON.parse(stdout.split('\n')[1] ?? '')).toEqual({ length: 40 * MIB, last: 7 })
    },
    DEATH_MS,
  )

  /** What was put on the third node has been spilled, so has a result, and that node is dead. */
  async function spillAndDie() {
    const third = await startNodes(3)
    const folder = join(place.runtimeDir, 'runs')
    mkdirSync(folder)
    const nodeId = String(third['nodeId'])
    const program = place.node(fixture('spilled-objects.mts'), nodeId, folder)
    await until(() => program.output.stdout.includes('\n'))
    const made = JSON.parse(program.output.stdout) as { put: string; results: string[] }
    await until(() => isSpilled(made.put))
    await until(async () => (await Promise.all(made.results.map(isSpilled))).includes(true))
    process.kill(Number(third['pid']), 'SIGKILL')
    return { program, made, folder, nodeId }
  }

  /** As good as full: no node can make a file for what its store has no room for. */
  function fillDisks(): void {
    const folders = globSync(join(place.runtimeDir, '**/spill'))
    expect(folders).toHaveLength(2)
    for (const folder of folders) {
      rmSync(folder, { recursive: true })
      writeFileSync(folder, '')
    }
  }

  /** The tables also know the nodes of earlier tests. */
  const nodesOf = async (state: string): Promise<Row[]> =>
    (await place.rows('nodes')).filter((row) => row['state'] === state)

  /** @param s3  where they find S3. @returns the third. */
  async function startNodes(nodes: number, s3 = endpoint): Promise<Row> {
    Object.assign(place.env, {
      AWS_ENDPOINT_URL: s3,
      VIRGA_SPILL: `s3://${BUCKET}/${PREFIX}`,
    })
    await place.startNodes(
      { nodes },
      ...['--gcs', 'dynamodb', '--endpoint-url', endpoint, '--cluster', CLUSTER],
      ...['--object-store-memory-bytes', String(64 * MIB)],
    )
    return (await nodesOf('ALIVE'))[2] ?? {}
  }
})
