// What whoever watches a cluster is told in the end.
import { expect, test } from 'vitest'
import type { WorkerId } from '../../../runtime/common/ids.ts'
import { LastSummary } from '../../../runtime/raylet/last-summary.ts'
import { HandClock } from '../../support/hand-clock.ts'

const STAYS = 'watcher-1' as WorkerId
const LEAVES = 'watcher-2' as WorkerId

test('is awaited by those who watch still, and not by one that has left', () => {
  const last = new LastSummary(new HandClock())
  void last.wait(STAYS)
  void last.wait(LEAVES)
  last.left(LEAVES)
  expect(last.isWatched).toBe(true)
  last.left(STAYS)
  expect(last.isWatched).toBe(false)
})

test('reaches everybody who asked, as often as they did', async () => {
  const clock = new HandClock()
  const last = new LastSummary(clock)
  const asked = [last.wait(STAYS), last.wait(STAYS), last.wait(LEAVES)]
  const rows = [{ name: 'square' }]
  void last.tell(
    () => rows,
    () => false,
  )
  expect(await Promise.all(asked)).toEqual([{ rows }, { rows }, { rows }])
})
