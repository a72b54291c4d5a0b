// Drivers of one cluster share it, whatever each of them has queued.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { scaled } from '../../support/scale.ts'
import { until } from '../../support/waiting.ts'
import { fixture, Place } from './virga.ts'

let place: Place
beforeAll(async () => {
  place = new Place()
  const port = await freePort()
  await place.json('start', '--num-cpus', '2', '--port', String(port))
})
afterAll(async () => {
  await place.virga('stop')
  place.remove()
})

it('a driver with 200,000 tasks queued does not keep a small one waiting', async () => {
  const queued = scaled(200_000)
  const greedy = place.start('run', fixture('greedy.mts'), String(queued))
  const endedOf = (): number => Number(/(\d+)\n$/.exec(greedy.output.stdout)?.[1] ?? -1)
  await until(() => endedOf() > 0)
  const before = endedOf()
  const { code, stdout } = await place.virga('run', fixture('modest.mts'))
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toEqual({ sum: 40_425 })
  const after = endedOf()
  greedy.child.kill('SIGTERM')
  await greedy.ended
  // It went on meanwhile, and most of it is still to come: the small one did not wait for its end.
  expect(after).toBeGreaterThan(before)
  expect(after).toBeLessThan(queued / 2)
})
