// Item 10: nothing cut in silence: more tasks than a worker can tell of are counted all the same.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { until } from '../../support/waiting.ts'
import { scaled } from '../../support/scale.ts'
import { fixture, Place, type Row } from './virga.ts'

const TASKS = scaled(500_000)

let place: Place
beforeAll(async () => {
  place = new Place()
  await place.json('start', '--num-cpus', '2', '--port', String(await freePort()))
})
afterAll(async () => {
  await place.virga('stop')
  place.remove()
})

describe('after very many tasks', () => {
  it('listed, dropped and counted tasks add up to those that ran', async () => {
    const { code, stderr } = await place.node(fixture('many.mts'), String(TASKS)).ended
    expect(code, stderr).toBe(0)
    await until(async () => {
      const { total } = await place.json('summary', 'tasks')
      return total === TASKS
    })
    const [noop] = (await place.json('summary', 'tasks'))['groups'] as Row[]
    expect(noop).toEqual({
      name: 'noop',
      kind: 'task',
      ...{ pending: 0, running: 0, done: TASKS, failed: 0 },
    })
    await until(async () => {
      const { total, dropped } = await place.json('list', 'tasks', '--limit', '1')
      return Number(total) + Number(dropped) === TASKS
    })
    const { tasks, dropped } = await place.json('timeline', '--out', 'trace.json')
    expect(Number(tasks) + Number(dropped)).toBe(TASKS)
    expect(Number(tasks)).toBeLessThanOrEqual(100_000)
  })
})
