// When an idle worker collects its garbage, on a clock moved by hand.
import { expect, it } from 'vitest'
import { Collector } from '../../../runtime/core-worker/collector.ts'
import { IdleCollector } from '../../../runtime/core-worker/idle-collector.ts'
import { HandClock } from '../../support/hand-clock.ts'

/** A worker whose collections take `collectMs` each. */
function aWorker(collectMs: number) {
  const clock = new HandClock()
  const worker = { clock, collectedCount: 0, isIdle: true, holdsOfOthers: true }
  const collector = new IdleCollector({
    clock,
    collector: new Collector(
      { monotonicMs: () => clock.monotonicMs() + worker.collectedCount * collectMs },
      { collect: () => void (worker.collectedCount += 1) },
    ),
    isIdle: () => worker.isIdle,
    holdsOfOthers: () => worker.holdsOfOthers,
  })
  return { worker, collector }
}

it('collects a second after a task, once however many ended', async () => {
  const { worker, collector } = aWorker(0)
  collector.taskEnded()
  collector.taskEnded()
  await worker.clock.advance(999)
  expect(worker.collectedCount).toBe(0)
  await worker.clock.advance(10_000)
  expect(worker.collectedCount).toBe(1)
})

it('does not collect where nothing of others is held, nor while a task runs', async () => {
  const { worker, collector } = aWorker(0)
  worker.holdsOfOthers = false
  collector.taskEnded()
  await worker.clock.advance(2000)
  worker.holdsOfOthers = true
  worker.isIdle = false
  collector.taskEnded()
  await worker.clock.advance(2000)
  expect(worker.collectedCount).toBe(0)
})

it('spends at most a hundredth of the time on it', async () => {
  const { worker, collector } = aWorker(50)
  for (let i = 0; i < 100; i += 1) {
    collector.taskEnded()
    await worker.clock.advance(1000)
  }
  expect(worker.collectedCount).toBeGreaterThan(10)
  expect(worker.collectedCount * 50).toBeLessThanOrEqual(100_000 / 100)
})
