// What a get waits for that does not answer, as `virga status --why` tells it.
import { expect, test } from 'vitest'
import { GcsUnavailableError } from '../../../runtime/common/errors.ts'
import { fromHex, type ObjectId } from '../../../runtime/common/ids.ts'
import { SilentWaits } from '../../../runtime/raylet/cluster/silent-waits.ts'
import { HandClock } from '../../support/hand-clock.ts'
import { caught } from '../../support/waiting.ts'

const [A, B] = [fromHex('aa') as ObjectId, fromHex('bb') as ObjectId]

function made() {
  const clock = new HandClock()
  const silent = new SilentWaits(clock)
  const nodes = (nodeIds: readonly string[], ...objectIds: ObjectId[]): void => {
    silent.unanswered({ who: 'nodes', nodeIds }, objectIds, clock.monotonicMs())
  }
  const rows = (): unknown[] =>
    silent.rows().map(({ name, count, waitedMs, why }) => [name, count, waitedMs, why])
  return { clock, silent, nodes, rows }
}

test('SI1: an object is told of after a second, until all have answered', async () => {
  const { clock, silent, nodes, rows } = made()
  nodes(['n1'], A)
  expect(rows()).toEqual([])
  await clock.advance(20_000)
  nodes(['n1'], A, B)
  await clock.advance(20_000)
  const why = 'a get of it waits for node n1, silent for 40 s, not known to be dead'
  expect(rows()).toEqual([['aa', 2, 40_000, why]])
  silent.answered('nodes', [A])
  expect(rows()).toEqual([['bb', 1, 20_000, why]])
  silent.answered('nodes', [B])
  expect(rows()).toEqual([])
})

test('SI1: what nobody looks for any more is forgotten', async () => {
  const { clock, nodes, rows } = made()
  nodes(['n1'], A)
  await clock.advance(29_000)
  expect(rows()).toHaveLength(1)
  await clock.advance(1_000)
  expect(rows()).toEqual([])
})

test('SI2: a node that had answered meanwhile is silent anew; of many the first are named', async () => {
  const { clock, silent, nodes, rows } = made()
  nodes(['n1', 'n2'], A)
  await clock.advance(10_000)
  nodes(['n2'], A) // n1 has answered
  await clock.advance(10_000)
  nodes(['n2', 'n1', 'n3', 'n4', 'n5'], A)
  await clock.advance(2_000)
  const named = 'node n2, node n1, node n3 and 2 more, silent for 22 s, not known to be dead'
  expect(rows()).toEqual([['aa', 1, 22_000, `a get of it waits for ${named}`]])
  silent.answered('nodes', [A])
  nodes(['n2'], A)
  await clock.advance(5_000)
  const anew = 'node n2, silent for 5 s, not known to be dead'
  expect(rows()).toEqual([['aa', 1, 5_000, `a get of it waits for ${anew}`]])
})

test('the GCS is waited for while it does not answer, not once it has refused', async () => {
  const { clock, silent, rows } = made()
  const asking = Promise.withResolvers<string>()
  const answer = silent.ofGcs([A], () => asking.promise)
  await clock.advance(2_000)
  expect(rows()).toEqual([['aa', 1, 2_000, 'a get of it waits for the GCS, silent for 2 s']])
  asking.resolve('here')
  expect(await answer).toBe('here')
  expect(rows()).toEqual([])
  const away = (): Promise<never> => Promise.reject(new GcsUnavailableError('away'))
  await caught(silent.ofGcs([A], away), GcsUnavailableError)
  await clock.advance(2_000)
  expect(rows()).toHaveLength(1)
  await caught(
    silent.ofGcs([A], () => Promise.reject(new TypeError('a bug'))),
    TypeError,
  )
  expect(rows()).toEqual([])
})

test('SI2: the GCS is silent since its last answer, though questions overlap all the time', async () => {
  const { clock, silent, rows } = made()
  const asking = Promise.withResolvers<undefined>()
  const first = silent.ofGcs([A], () => asking.promise)
  await clock.advance(10_000)
  const second = silent.ofGcs([B], () => new Promise<never>(() => undefined))
  await clock.advance(5_000)
  asking.resolve(undefined)
  await first
  await clock.advance(3_000)
  expect(rows()).toEqual([['bb', 1, 8_000, 'a get of it waits for the GCS, silent for 3 s']])
  void second
})
