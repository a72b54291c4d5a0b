// Actors over the nodes of a cluster on this machine: real raylets and workers.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { isAlive } from '../../../runtime/common/session-file.ts'
import { scaled } from '../../support/scale.ts'
import { until } from '../../support/waiting.ts'
import { fixture, jsonLines, placeOfEachTest, type Row } from './virga.ts'

/** A node is dead when its lease has run out, of which others are told with their heartbeats. */
const DEATH_MS_MAX = 120_000
const DEATH = { timeout: DEATH_MS_MAX }

/** A heartbeat, or a call to the GCS that is repeated; and the end of its processes. */
const ENDED_MS_MAX = 20_000

/** Of each of six callers; `npm run test:full` has more. */
const CALLS = String(scaled(5_000))

const place = placeOfEachTest(DEATH_MS_MAX)
beforeEach(async () => {
  await place.startNodes({ nodes: 3 })
})

const rows = (kind: string): Promise<Row[]> => place.rows(kind)

const isDead = async (node: Row | undefined): Promise<boolean> =>
  (await rows('nodes')).some(({ nodeId, state }) => nodeId === node?.['nodeId'] && state === 'DEAD')

describe('actors on three nodes', () => {
  it('are spread, named, passed on, called and killed from any of them', async () => {
    const { code, stdout, stderr } = await place.node(fixture('actors-on-nodes.mts')).ended
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const told = JSON.parse(stdout) as Record<string, unknown> & { readonly ids: string[] }
    const [, second = ''] = told.ids
    const twice = [...told.ids, ...told.ids].toSorted()
    expect((told['spreadOver'] as string[]).toSorted()).toEqual(twice)
    expect((told['spreadInTurn'] as string[]).toSorted()).toEqual(twice)
    expect(told).toMatchObject({
      bound: second,
      reached: { calls: [1, 2, 3], taken: 'ActorAlreadyExistsError' },
      madeElsewhere: [2, second],
      ...{ killed: 'ActorDiedError', gone: 'ActorNotFoundError', queued: [0, 1, 2, 3, 4] },
    })
    await until(async () => (await rows('actors')).every((row) => row['state'] === 'DEAD'))
    await until(async () => (await rows('workers')).length === 0)
    const { resources } = await place.json('status')
    expect(resources).toContainEqual({ name: 'CPU', total: 6, free: 6, used: 0 })
  })
})

/** What became of the three actors of actors-fail-over.mts. */
function expectFailOver(stdout: string, nodeId: string): void {
  const [, first, next, last, unmade] = stdout.split('\n')
  expect(JSON.parse(first ?? '')).toMatchObject({
    retried: { value: 11 },
    at: { wasRestarted: true },
  })
  expect(first).not.toContain(nodeId)
  expect(JSON.parse(next ?? '')).toMatchObject({
    failed: {
      name: 'ActorDiedError',
      data: { mayHaveRun: 'unknown' },
    },
    // Called when the connection had closed: it waited for the next life.
    lost: { value: 31 },
  })
  expect(next).toContain(`its node ${nodeId} is dead`)
  expect(JSON.parse(last ?? '')).toMatchObject({
    ...{ again: { value: 32 }, named: true },
    gone: { name: 'ActorNotFoundError', data: { className: 'Counter' } },
  })
  expect(last).toContain(`which had that name, is dead since`)
  // Who asked for it when the node of its maker was dead is answered once a retry has made it.
  expect(JSON.parse(unmade ?? '')).toEqual({ madeByRetry: { value: 41 } })
}

/** The one without restarts, with where and why it died, and since when. */
function expectListed(actors: readonly Row[], node: Row | undefined): void {
  const once = actors.filter(({ name }) => name === 'once')
  expect(once).toMatchObject([{ state: 'DEAD', nodeId: node?.['nodeId'], incarnation: 0 }])
  expect(once[0]?.['error']).toContain('and it has no restarts')
  expect(once[0]?.['deadMs']).toBeGreaterThan(0)
}

describe('when the node of actors is killed', () => {
  it.each(['SIGKILL', 'SIGSTOP'] as const)(
    'F07, F08, F12: by %s, those with restarts live elsewhere, the others are dead, and say why',
    DEATH,
    async (signal) => {
      const [, second, third] = await rows('nodes')
      const ids = [second, third].map((row) => String(row?.['nodeId']))
      const program = place.node(fixture('actors-fail-over.mts'), ...ids)
      await until(() => program.output.stdout.includes('\n'))
      const { before, keptBefore, at } = JSON.parse(program.output.stdout) as {
        readonly keptBefore: unknown
        readonly before: readonly number[]
        readonly at: readonly { readonly nodeId: string; readonly pid: number }[]
      }
      expect(before).toEqual([11, 21, 31])
      expect(keptBefore).toMatchObject([{ value: at[0] }, { value: at[1] }])
      expect(new Set(at.map(({ nodeId }) => nodeId))).toEqual(new Set([second?.['nodeId']]))
      process.kill(Number(second?.['pid']), signal)
      const areGone = (): boolean => at.every(({ pid }) => !isAlive({ pid, startTime: '' }))
      // Who is stopped may go on: its workers live, and must not be called any more.
      await until(signal === 'SIGKILL' ? areGone : () => isDead(second), DEATH_MS_MAX)
      program.child.stdin?.write('the node is gone\n')
      const { code, stdout, stderr } = await program.ended
      expect(stderr).toBe('')
      expect(code).toBe(0)
      expectFailOver(stdout, String(second?.['nodeId']))
      expectListed(await rows('actors'), second)
      // All have heard of the death before a next life of one of its actors begins.
      const [keptNext, keptLast] = jsonLines<{ readonly keptAfter: readonly Row[] }>(program).at(-2)
        ?.keptAfter ?? [{}, {}]
      expect(keptNext).toMatchObject({ value: { wasRestarted: true } })
      if (signal === 'SIGKILL') {
        // Of who is stopped the worker lives on: for a node that has not heard of the death yet.
        expect(keptLast).toMatchObject({ name: 'ActorDiedError' })
        return
      }
      process.kill(Number(second?.['pid']), 'SIGCONT')
      // It hears that it is dead from who holds the GCS, and ends with all its workers.
      const isEnded = (): boolean => !isAlive({ pid: Number(second?.['pid']), startTime: '' })
      await until(() => isEnded() && areGone(), ENDED_MS_MAX)
    },
  )
})

/** Less than a node that leaves waits for. */
const KEPT_MS = '6000'

it('D242: lives elsewhere while a task keeps the node that it was on, which was asked to leave', async () => {
  const [, second] = await rows('nodes')
  const nodeId = String(second?.['nodeId'])
  const program = place.node(fixture('drained-actor.mts'), nodeId, KEPT_MS)
  await until(() => program.output.stdout.includes('\n'))
  process.kill(Number(second?.['pid']), 'SIGTERM')
  program.child.stdin?.write('it is asked to leave\n')
  const { code, stderr } = await program.ended
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const [{ before } = {}, { meanwhile, state } = {}, { after } = {}] = jsonLines(program)
  expect(before).toEqual({ count: 1, nodeId, wasRestarted: false })
  expect(meanwhile).toMatchObject({ count: 1, wasRestarted: true })
  expect(meanwhile).not.toMatchObject({ nodeId })
  expect(state).toBe('DRAINING')
  expect(after).toMatchObject({ count: 2 }) // nor again as the node has left
})

describe('a detached actor', () => {
  it(
    'F07: outlives its job and the node where it was made, until it is killed',
    DEATH,
    async () => {
      const [first, ...others] = await rows('nodes')
      const driver = async (what: string, at: Row | undefined): Promise<unknown> => {
        place.env['VIRGA_ADDRESS'] = String(at?.['address'])
        const program = place.node(fixture('detached.mts'), what, 'ns')
        delete place.env['VIRGA_ADDRESS']
        const { code, stdout, stderr } = await program.ended
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
        return JSON.parse(stdout) as unknown
      }
      const hostOf = async (): Promise<unknown> =>
        (await rows('actors')).find(({ state }) => state === 'ALIVE')?.['nodeId']
      const kill = async (node: Row | undefined): Promise<void> => {
        process.kill(Number(node?.['pid']), 'SIGKILL')
        await until(() => isDead(node), DEATH_MS_MAX)
      }
      const [second] = others
      expect(await driver('make', second)).toEqual({ value: 41, wasRestarted: false })
      expect(await driver('call', first)).toEqual({ value: 42, wasRestarted: false, four: 4 })
      expect(await hostOf()).toBe(second?.['nodeId'])
      await kill(second)
      expect(await driver('call', first)).toEqual({ value: 41, wasRestarted: true, four: 4 })
      expect(await driver('kill', first)).toBe(true)
      expect(await driver('call', others[1])).toBe(null)
    },
  )
})

describe('I6: no call has its effect twice', () => {
  it(
    'F12, F07: with callers on several nodes, while workers and a node are killed',
    DEATH,
    async () => {
      const path = join(place.runtimeDir, 'ledger')
      const [, , third] = await rows('nodes')
      const program = place.node(fixture('actors-ledger.mts'), path, CALLS)
      await until(() => program.output.stdout.includes('begun'))
      await until(() => existsSync(`${path}.2`))
      process.kill(Number(third?.['pid']), 'SIGKILL')
      const { code, stdout, stderr } = await program.ended
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      const told = JSON.parse(stdout.split('\n')[1] ?? '') as Record<string, string>
      const effects = new Map<string, number>()
      for (const index of [0, 1, 2]) {
        for (const id of readFileSync(`${path}.${String(index)}`, 'utf8').split('\n')) {
          if (id !== '') effects.set(id, (effects.get(id) ?? 0) + 1)
        }
      }
      expect([...effects].filter(([, times]) => times > 1)).toEqual([])
      const calls = Object.entries(told)
      expect(calls).toHaveLength(6 * Number(CALLS))
      const without = calls.filter(([id, outcome]) => outcome === 'done' && !effects.has(id))
      expect(without).toEqual([])
      const untrue = calls.filter(([id, outcome]) => outcome.endsWith('false') && effects.has(id))
      expect(untrue).toEqual([])
      const kinds = new Set(calls.map(([, outcome]) => outcome))
      expect([...kinds].filter((each) => each !== 'done')).toEqual([
        'ActorUnavailableError unknown',
      ])
    },
  )
})
