// Detached actors: one outlives the driver that made it, is found by others in its namespace, and
// is started again when its process dies, until it is killed.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../support/waiting.ts'
import { fixture, Place } from './virga.ts'

const place = new Place()
const folder = mkdtempSync(join(tmpdir(), 'virga-test-'))
beforeAll(async () => {
  const { code, stderr } = await place.virga('start', '--num-cpus', '2')
  expect(stderr + String(code)).toBe('0')
})
afterAll(async () => {
  await place.virga('stop')
  place.remove()
  rmSync(folder, { recursive: true })
})

/** What a driver of its own printed last. */
async function driver(...args: readonly string[]): Promise<unknown> {
  const { code, stdout, stderr } = await place.node(fixture('detached.mts'), ...args).ended
  if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as unknown
}

it('a detached actor lives on when its driver has left, restarts included', async () => {
  expect(await driver('make', 'shared')).toEqual({ value: 41, wasRestarted: false })
  expect(await driver('call', 'other')).toBeNull()
  expect(await driver('call', '-')).toBeNull()
  expect(await driver('call', 'shared')).toEqual({ value: 42, wasRestarted: false, four: 4 })
  const told = join(folder, 'told')
  expect(await driver('crash', 'shared', told)).toEqual({ value: 41, wasRestarted: true })
  expect(readFileSync(told, 'utf8')).toBe('ActorUnavailableError')
  expect(await driver('call', 'shared')).toEqual({ value: 42, wasRestarted: true, four: 4 })
  expect(await driver('kill', 'shared')).toBe(true)
  expect(await driver('call', 'shared')).toBeNull()
  expect(await driver('make', 'shared')).toEqual({ value: 41, wasRestarted: false })
})

it('what a detached actor has made lives on with it when their driver has left', async () => {
  expect(await driver('make', 'counting', 'a counter')).toMatchObject({ value: 41 })
  expect(await driver('count', 'counting')).toEqual([2, 2])
  expect(await driver('count', 'counting')).toEqual([3, 3])
  expect(await driver('kill', 'counting')).toBe(true)
  const living = async (): Promise<unknown[]> =>
    (await place.rows('actors')).filter((row) => row['state'] === 'ALIVE')
  await until(async () => (await living()).length === 1) // that of the other test
})
