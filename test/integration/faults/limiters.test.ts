// A limiter over nodes: what it allows holds for all drivers and nodes together, by what the tasks
// see themselves, and nodes that die do not change that.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SeveralNodes } from '../../support/several-nodes.ts'
import { until } from '../../support/waiting.ts'
import { keeperIn, keeperOf, Limited, seenBy } from './limited.ts'

const HOSTS = 3
/** A death is told after a lease; the rest is for a busy machine. */
const TEST_MS = 90_000

describe('a limiter over three nodes', () => {
  let cluster: SeveralNodes
  let limited: Limited
  beforeEach(async () => {
    // The first holds the GCS: it is another that counts, and may be killed.
    const mayBeFirst = (nodeId: string, all: readonly string[]): boolean => nodeId !== keeperIn(all)
    cluster = await SeveralNodes.start({ hosts: HOSTS, numCpus: 2, network: undefined, mayBeFirst })
    await cluster.settled()
    limited = new Limited(cluster)
  })
  afterEach(() => cluster.remove())

  it(
    'two drivers on two nodes, tasks on all: never more at once than it allows',
    async () => {
      const work = { limits: { concurrency: 2 }, count: 15, workMs: 50, inTurn: true }
      const seen = await seenBy(
        limited.start({ ...work, host: 0 }),
        limited.start({ ...work, host: 1 }),
      )
      expect(seen).toHaveLength(30)
      expect(Math.max(...seen.map(({ atOnce }) => atOnce))).toBe(2)
      expect(new Set(seen.map(({ nodeId }) => nodeId)).size).toBe(HOSTS)
    },
    TEST_MS,
  )

  it(
    'two drivers on two nodes: no more start per second than it says, both together',
    async () => {
      const calledMs = Date.now()
      const work = { limits: { perSecond: 10 }, count: 15, workMs: 0 }
      const seen = await seenBy(
        limited.start({ ...work, host: 0 }),
        limited.start({ ...work, host: 1 }),
      )
      // A busy machine can only delay a start; the exact rule is tested on virtual time.
      const starts = seen.map(({ startMs }) => startMs).toSorted((a, b) => a - b)
      for (const [index, startMs] of starts.entries()) {
        expect(startMs).toBeGreaterThanOrEqual(calledMs + (index - 1) * 100 - 10)
      }
    },
    TEST_MS,
  )

  it(
    'other numbers for its name are refused on another node',
    async () => {
      limited.start({ host: 0, limits: { concurrency: 2 }, count: 1, workMs: 60_000 })
      await until(() => limited.runningCount() === 1)
      const other = limited.start({ host: 1, limits: { concurrency: 3 }, count: 1, workMs: 0 })
      const { stderr } = await other.ended
      expect(stderr).toContain(
        "UsageError: limiter 'shared' is in use in this cluster with concurrency 2",
      )
    },
    TEST_MS,
  )

  it(
    'what a node held comes back when it is killed',
    async () => {
      const limits = { concurrency: 2 }
      limited.start({ host: 1, limits, count: 2, workMs: 60_000 })
      await until(() => limited.runningCount() === 2)
      const waiting = limited.start({ host: 0, limits, count: 4, workMs: 50 })
      await cluster.kill(1)
      const seen = await seenBy(waiting)
      expect(seen).toHaveLength(4)
      expect(Math.max(...seen.map(({ atOnce }) => atOnce))).toBeLessThanOrEqual(2)
    },
    TEST_MS,
  )

  it(
    'goes on when the node that counts is killed, and allows no more',
    async () => {
      const keeper = keeperOf(cluster)
      const second = cluster.nodes.find(({ host }) => host !== 0 && host !== keeper)?.host ?? 0
      const work = { limits: { concurrency: 2 }, count: 30, workMs: 100 }
      const programs = [
        limited.start({ ...work, host: 0 }),
        limited.start({ ...work, host: second }),
      ]
      await until(() => limited.runningCount() > 0)
      await cluster.kill(keeper)
      const seen = await seenBy(...programs)
      expect(seen).toHaveLength(60)
      expect(Math.max(...seen.map(({ atOnce }) => atOnce))).toBeLessThanOrEqual(2)
    },
    TEST_MS,
  )
})
