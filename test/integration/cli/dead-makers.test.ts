// Processes that are to make an actor end while its argument is awaited: real ones, on one and on
// two nodes.
import { expect, it } from 'vitest'
import { fixture, placeOfEachTest } from './virga.ts'

/** A call waits for a retry for 25 s. */
const place = placeOfEachTest(90_000)
const TOLD = /^ActorDiedError: actor Keeper was not made: .* no retry of its task has made it/

it.each([1, 2])('its calls are told, or answered by a retry (nodes: %i)', async (nodes) => {
  await place.startNodes({ nodes })
  const { code, stdout, stderr } = await place.node(fixture('dead-makers.mts')).ended
  expect(code, stderr).toBe(0)
  const { ids, told, retried } = JSON.parse(stdout) as Record<string, unknown>
  expect(told).toMatch(TOLD)
  const [first] = ids as string[]
  expect(retried).toEqual(nodes === 1 ? undefined : { answer: ['kept', first], lentAt: first })
})
