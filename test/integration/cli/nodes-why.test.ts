// What cannot run on a cluster of several nodes is told at once, by what its nodes lack, and what
// waits there says for what: `virga status --why`, whichever node it waits at.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { until } from '../../support/waiting.ts'
import { fixture, jsonLines, placeOfEachTest, type Row } from './virga.ts'

/** Long after a node has said no, long before anybody would look at `status`. */
const AT_ONCE_MS = 5_000
/** Three nodes that start their workers on a busy machine. */
const SHOWN_MS = 60_000

const place = placeOfEachTest()

interface Told {
  readonly ids: readonly string[]
  readonly told: readonly string[]
  readonly afterMs: number
}

it('what can never run is told at once, what waits says why, and then all of it runs', async () => {
  await place.startNodes({ nodes: 3, numCpus: 1 })
  const file = join(place.runtimeDir, 'go')
  const program = place.node(fixture('waits-on-nodes.mts'), file)
  await until(() => program.output.stdout.split('\n').length > 2)
  const [never] = jsonLines<Told>(program)
  const [, , third = ''] = never?.ids ?? []
  const all = 'this node and 2 more have'
  expect(never?.told).toEqual([
    expect.stringContaining(`InfeasibleError: anywhere can never run here: needs CPU: 4, ${all} 1`),
    expect.stringContaining(`needs slots: 1, ${all} 0`),
    expect.stringContaining('no node has the labels {"zone":"b"}'),
    expect.stringContaining(`InfeasibleError: Counter can never run here: needs CPU: 4, ${all} 1`),
    expect.stringContaining(`needs CPU: 2, ${all} 1`),
    expect.stringContaining(`TaskUnschedulableError: bound is bound to a node that cannot take it`),
  ])
  expect(never?.told.at(-1)).toContain(`needs CPU: 2, node ${third} has 1`)
  expect(never?.afterMs).toBeLessThan(AT_ONCE_MS)

  const waiting = async (): Promise<Row[]> => (await place.json('status'))['waiting'] as Row[]
  const noneFree = 'needs CPU: 1, which none of the 3 nodes that can hold it has free'
  const whys = new Set([
    ['task', 'anywhere', 2, noneFree],
    ['task', 'bound', 1, `waits for node ${third}: needs CPU: 1, 0 free there`],
    ['task', 'child', 1, noneFree],
    ['actor', 'Counter', 1, noneFree],
    ['group', 'pair', 1, '2 bundles: no nodes have room for that under STRICT_SPREAD now'],
    [
      'task',
      'after',
      1,
      'at its owner: it waits for its arguments, its limiter, or those before it',
    ],
    [
      'call',
      'Counter.inc',
      1,
      'it waits for its arguments, for its actor to be constructed, or for the calls before it',
    ],
  ])
  // Owners tell what waits there once nothing has changed for a while; until then seven others may.
  const shown = async (): Promise<unknown> =>
    new Set((await waiting()).map(({ kind, name, count, why }) => [kind, name, count, why]))
  await expect.poll(shown, { timeout: SHOWN_MS }).toEqual(whys)
  const { stdout } = await place.virga('status', '--why')
  expect(stdout).toContain('Waiting (7 shapes)')
  expect(stdout).toMatch(/2 +task +anywhere +CPU: 1 +\d.* which none of the 3 nodes/)
  expect(stdout).toMatch(/1 +call +Counter\.inc +it waits for/) // since when, nobody knows

  writeFileSync(file, '')
  const { code, stderr } = await program.ended
  expect(code, stderr).toBe(0)
  expect(stderr).toBe('')
  expect(jsonLines(program).at(-1)).toEqual({
    values: [
      ...['held', 'held', 'ran for its parent', 'ran', 'ran', 'ran there', 'after it was held'],
      1,
    ],
  })
  await until(async () => (await waiting()).length === 0)
  expect((await place.virga('status', '--why')).stdout).toContain('Waiting nothing')
})
