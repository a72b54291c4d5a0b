// Rings of tasks and actors over three nodes (B24): real raylets and workers.
import { afterAll, describe, expect, it } from 'vitest'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { fixture, placeOfEachTest } from './virga.ts'

/** The ring has stood for 2 s at most when it is told; the rest is for a busy machine. */
const TOLD_WITHIN_MS = 2000 + 3000
const PROGRAM_MS_MAX = 90_000

interface Told {
  readonly name: string
  readonly chain: readonly string[]
  readonly tookMs: number
}

const place = placeOfEachTest(PROGRAM_MS_MAX)

const ringOf = (...names: readonly string[]): object => ({
  name: 'DeadlockError',
  chain: [...names, names[0]],
})

async function expectRings(): Promise<void> {
  const { code, stdout, stderr } = await place.node(fixture('rings-on-nodes.mts')).ended
  expect(stderr).toBe('')
  expect(code).toBe(0)
  const told = JSON.parse(stdout) as Record<string, never>
  const pass = 'Link.pass'
  expect(told).toMatchObject({
    two: { outcome: ringOf(pass, pass), after: [42, 42] },
    three: { outcome: ringOf(pass, pass, pass), after: [42, 42, 42] },
    free: { free: { value: 42 }, full: ringOf(pass, pass, pass, pass) },
    ...{ tasks: ringOf('waitsAt', 'waitsAt'), owner: ringOf('waitsAt', 'echo') },
    ...{ mixed: ringOf('calls', 'Keeper.await'), named: ringOf(pass, pass) },
  })
  for (const { tookMs } of ringsOf(told)) expect(tookMs).toBeLessThan(TOLD_WITHIN_MS)
}

describe('rings over three nodes', () => {
  it('B24: are told within 2 s with their chain, once, and the rest goes on', async () => {
    await place.startNodes({ nodes: 3 })
    await expectRings()
  })

  it('B24: a chain over nodes that ends in slow work is none', async () => {
    await place.startNodes({ nodes: 3 })
    const { code, stdout } = await place.node(fixture('chains-on-nodes.mts')).ended
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({ slow: 'slept', queued: [0, 1, 2, 3, 4], depth: 12 })
  })
})

const cloud = await startCloud()
describeOn(cloud, 'rings over three nodes, the GCS in DynamoDB', (cloud) => {
  afterAll(() => cloud.stop())

  it('B24: are told the same', async () => {
    const where = ['--gcs', 'dynamodb', '--endpoint-url', cloud.endpoint]
    await place.startNodes({ nodes: 3 }, ...where)
    await expectRings()
  })
})

function ringsOf(value: unknown): Told[] {
  if (typeof value !== 'object' || value === null) return []
  if ('chain' in value) return [value as Told]
  return Object.values(value).flatMap(ringsOf)
}
