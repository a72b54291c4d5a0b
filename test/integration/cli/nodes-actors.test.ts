// Actors over the nodes of a cluster on this machine: real raylets and workers.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { isAlive } from '../../../runtime/common/session-file.ts'
import { until } from '../../support/waiting.ts'
import { fixture, Place, type Row } from './virga.ts'

/** A node is dead when its lease has run out, of which others are told with their heartbeats. */
const DEATH_MS_MAX = 60_000

let place: Place
beforeEach(async () => {
  place = new Place(DEATH_MS_MAX)
  await place.json(
    ...['start', '--nodes', '3', '--num-cpus', '2'],
    ...['--port', String(await freePort())],
  )
})
afterEach(async () => {
  await place.virga('stop')
  place.remove()
})

const rows = async (kind: string): Promise<Row[]> =>
  (await place.json('list', kind))['rows'] as Row[]

describe('actors on three nodes', () => {
  it('are spread, named, passed on, called and killed from any of them', async () => {
    const { code, stdout, stderr } = await place.node(fixture('actors-on-nodes.mts')).ended
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const told = JSON.parse(stdout) as Record<string, unknown> & { readonly ids: string[] }
    const [, second = ''] = told.ids
    expect((told['spreadOver'] as string[]).toSorted()).toEqual(
      [...told.ids, ...told.ids].toSorted(),
    )
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

describe('when the node of actors is killed', () => {
  it('F07, F12: those with restarts are started again elsewhere, the others are dead, and say why', async () => {
    const [, second] = await rows('nodes')
    const args = [fixture('actors-fail-over.mts'), String(second?.['nodeId'])]
    const program = place.node(...args)
    await until(() => program.output.stdout.includes('\n'))
    const { before, at } = JSON.parse(program.output.stdout) as {
      readonly before: readonly number[]
      readonly at: readonly { readonly nodeId: string; readonly pid: number }[]
    }
    expect(before).toEqual([11, 21, 31])
    expect(new Set(at.map(({ nodeId }) => nodeId))).toEqual(new Set([second?.['nodeId']]))
    process.kill(Number(second?.['pid']), 'SIGKILL')
    await until(() => at.every(({ pid }) => !isAlive({ pid, startTime: '' })))
    program.child.stdin?.write('the node is gone\n')
    const { code, stdout, stderr } = await program.ended
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const [, first, next, last] = stdout.split('\n')
    expect(JSON.parse(first ?? '')).toMatchObject({
      retried: { value: 11 },
      at: { wasRestarted: true },
    })
    expect(first).not.toContain(String(second?.['nodeId']))
    expect(JSON.parse(next ?? '')).toMatchObject({
      failed: {
        name: 'ActorDiedError',
        data: { mayHaveRun: 'unknown' },
      },
      // Called when the connection had closed: it waited for the next life.
      lost: { value: 31 },
    })
    expect(next).toContain(`its node ${String(second?.['nodeId'])} is dead`)
    expect(JSON.parse(last ?? '')).toMatchObject({ again: { value: 32 }, named: true })
  })
})
