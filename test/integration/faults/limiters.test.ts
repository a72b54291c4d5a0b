// A limiter over nodes: what it allows holds for all drivers and nodes together, by what the tasks
// see themselves, and nodes that die do not change that.
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { rendezvous } from '../../../runtime/gcs/rendezvous.ts'
import type { Running } from '../../support/running.ts'
import { SeveralNodes } from '../../support/several-nodes.ts'
import { until } from '../../support/waiting.ts'
import type { Seen } from './fixtures/limited.mts'
import { fixture } from './steady.ts'

const HOSTS = 3
/** A death is told after a lease; the rest is for a busy machine. */
const TEST_MS = 90_000

interface Work {
  readonly host: number
  readonly limits: { readonly concurrency?: number; readonly perSecond?: number }
  readonly count: number
  readonly workMs: number
}

describe('a limiter over three nodes', () => {
  let cluster: SeveralNodes
  let folder: string
  beforeEach(async () => {
    cluster = await SeveralNodes.start({ hosts: HOSTS, numCpus: 2, network: undefined })
    await cluster.settled()
    folder = join(cluster.runtimeDir, 'running')
    mkdirSync(folder)
  })
  afterEach(() => cluster.remove())

  const start = ({ host, limits, count, workMs }: Work): Running => {
    const args = [folder, JSON.stringify(limits), String(count), String(workMs)]
    return cluster.program(host, fixture('limited.mts'), args)
  }
  const runningCount = (): number => readdirSync(folder).length

  it(
    'two drivers on two nodes, tasks on all: never more at once than it allows',
    async () => {
      const work = { limits: { concurrency: 2 }, count: 15, workMs: 50 }
      const seen = await seenBy(start({ ...work, host: 0 }), start({ ...work, host: 1 }))
      expect(seen).toHaveLength(30)
      expect(Math.max(...seen.map(({ atOnce }) => atOnce))).toBe(2)
      expect(new Set(seen.map(({ nodeId }) => nodeId)).size).toBeGreaterThan(1)
    },
    TEST_MS,
  )

  it(
    'two drivers on two nodes: no more start per second than it says, both together',
    async () => {
      const calledMs = Date.now()
      const work = { limits: { perSecond: 10 }, count: 15, workMs: 0 }
      const seen = await seenBy(start({ ...work, host: 0 }), start({ ...work, host: 1 }))
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
      start({ host: 0, limits: { concurrency: 2 }, count: 1, workMs: 60_000 })
      await until(() => runningCount() === 1)
      const other = start({ host: 1, limits: { concurrency: 3 }, count: 1, workMs: 0 })
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
      start({ host: 1, limits, count: 2, workMs: 60_000 })
      await until(() => runningCount() === 2)
      const waiting = start({ host: 0, limits, count: 4, workMs: 50 })
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
      // The first holds the GCS: another is to be killed.
      for (let host = HOSTS; keeperOf(cluster) === 0; host += 1) await cluster.add(host)
      await cluster.settled()
      const keeper = keeperOf(cluster)
      const second = cluster.nodes.find(({ host }) => host !== 0 && host !== keeper)?.host ?? 0
      const work = { limits: { concurrency: 2 }, count: 30, workMs: 100 }
      const programs = [start({ ...work, host: 0 }), start({ ...work, host: second })]
      await until(() => runningCount() > 0)
      await cluster.kill(keeper)
      const seen = await seenBy(...programs)
      expect(seen).toHaveLength(60)
      expect(Math.max(...seen.map(({ atOnce }) => atOnce))).toBeLessThanOrEqual(2)
    },
    TEST_MS,
  )
})

/** Its host. */
function keeperOf({ nodes }: SeveralNodes): number {
  const ids = nodes.map(({ nodeId }) => nodeId)
  const [keeper] = rendezvous('limiters', ids, 1)
  return nodes.find(({ nodeId }) => nodeId === keeper)?.host ?? 0
}

async function seenBy(...programs: readonly Running[]): Promise<Seen[]> {
  const ends = await Promise.all(programs.map(({ ended }) => ended))
  return ends.flatMap(({ code, stdout, stderr }) => {
    expect(stderr).toBe('')
    expect(code).toBe(0)
    return JSON.parse(stdout) as Seen[]
  })
}
