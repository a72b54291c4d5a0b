// Connections are no faster than each other by any rule: each of them is delayed in turn, and what
// depends on two messages over two connections must hold all the same.
import { describe, expect, it } from 'vitest'
import { ActorDiedError } from '../../../runtime/common/errors.ts'
import { get } from '../../../sdk/get-put-wait.ts'
import type { FaultyEnd } from '../../support/faulty-network.ts'
import { MemoryCluster } from '../../support/memory-cluster.ts'
import * as fn from './ref-functions.ts'

const DELAY_TURNS = 50
/** So slow is the clock that turns alone decide: no limit of the product may run out while a busy
 *  machine does something else. */
const CLOCK_SPEED = 0.02
/** So many ends have a cluster with a driver, two workers and their connections. */
const ENDS_MAX = 12

const ENDS = Array.from({ length: ENDS_MAX }, (_, i) => i)

async function withSlowEnd(slow: number, run: () => Promise<void>): Promise<void> {
  const ends: FaultyEnd[] = []
  const cluster = await MemoryCluster.start({
    numGpus: 2,
    speed: CLOCK_SPEED,
    delayTurns: (end) => {
      if (!ends.includes(end)) ends.push(end)
      return ends.indexOf(end) === slow ? DELAY_TURNS : 0
    },
  })
  try {
    await cluster.run(run)
  } finally {
    await cluster.stop()
  }
}

describe('one slow connection', () => {
  it.each(ENDS)('end %i: a task knows its GPUs, and refs reach an actor and come back', (slow) =>
    withSlowEnd(slow, async () => {
      const seen = await get([fn.gpusSeen.remote(), fn.gpusSeen.remote()])
      for (const gpuIds of seen) expect(gpuIds).toHaveLength(1)
      const holder = fn.RemoteHolder.remote()
      await holder.keep.run(await fn.putThere.run(fn.nodeOf(1, [], false), 2))
      expect(await holder.idsBelow.run(2)).toEqual([1])
    }),
  )

  it.each(ENDS)('end %i: what an actor answered before it left is heard', (slow) =>
    withSlowEnd(slow, async () => {
      const actor = fn.RemoteEcho.remote()
      await actor.echo.run('it lives')
      const answered = actor.echo.remote('last words')
      const left = actor.quit.remote()
      const later = actor.echo.remote('never')
      expect(await get(answered)).toBe('last words')
      await expect(get(left)).rejects.toThrow(ActorDiedError)
      await expect(get(later)).rejects.toThrow(ActorDiedError)
    }),
  )
})
