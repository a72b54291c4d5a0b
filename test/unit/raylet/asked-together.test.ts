// Questions about many objects, in rounds, on a clock that is turned by hand.
import { expect, test } from 'vitest'
import { AskedTogether } from '../../../runtime/raylet/cluster/asked-together.ts'
import { HandClock } from '../../support/hand-clock.ts'

function made() {
  const clock = new HandClock()
  const rounds: { ids: string[]; heeded: number[]; answer: (what: string) => void }[] = []
  const together = new AskedTogether<number, string>(clock, async (round) => {
    const what = await new Promise<string>((answer) => {
      rounds.push({ ids: [...round.keys()], heeded: [...round.values()].flat(), answer })
    })
    return (objectId) => `${objectId} ${what}`
  })
  return { clock, rounds, together }
}

test('TG1, TG3: what is asked for in a turn is one round, and what comes after it the next', async () => {
  const { clock, rounds, together } = made()
  const first = [together.find('a', 1), together.find('b', 2), together.find('a', 3)]
  await clock.advance(0)
  expect(rounds).toMatchObject([{ ids: ['a', 'b'], heeded: [1, 3, 2] }])
  const later = together.find('a', 4)
  await clock.advance(40)
  expect(rounds).toHaveLength(1)
  await clock.advance(20)
  expect(rounds).toMatchObject([{}, { ids: ['a'], heeded: [4] }])
  rounds[1]?.answer('second')
  rounds[0]?.answer('first')
  expect(await Promise.all(first)).toEqual(['a first', 'b first', 'a first'])
  expect(await later).toBe('a second')
})

test('TG2: of very many objects a round has a thousand', async () => {
  const { clock, rounds, together } = made()
  const all = Array.from({ length: 2_500 }, (_, i) => together.find(`o${i}`, 0))
  await clock.advance(200)
  expect(rounds.map(({ ids }) => ids.length)).toEqual([1_000, 1_000, 500])
  for (const { answer } of rounds) answer('here')
  expect((await Promise.all(all)).at(-1)).toBe('o2499 here')
})
