// The process that owns an object dies: whoever still needs it is told OwnerDiedError, wherever it
// asks, and nobody waits for ever. And the other way round: an actor outlives its last handle until
// every call that was made through it has ended.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemFinalization } from '../../../runtime/common/finalization-system.ts'
import { OwnerDiedError, TaskError } from '../../../runtime/common/errors.ts'
import type { ObjectRef } from '../../../runtime/common/surface.ts'
import { get, put, wait } from '../../../sdk/get-put-wait.ts'
import { MemoryCluster, type MemoryWorker } from '../../support/memory-cluster.ts'
import { caught, until } from '../../support/waiting.ts'
import * as fn from './ref-functions.ts'

let cluster: MemoryCluster

beforeEach(async () => {
  cluster = await MemoryCluster.start()
})
afterEach(() => cluster.stop())

/** A ref to a value that a worker owns, and how to end that worker. */
async function lentByWorker(): Promise<{ ref: ObjectRef<fn.Node>; ownerDies(this: void): void }> {
  const { refs } = await fn.putThere.run(fn.nodeOf(1, [], false), 2)
  const lending = (): MemoryWorker | undefined =>
    [...cluster.workers.values()].find(({ worker }) => worker.references.counts().lent > 0)
  await until(() => lending() !== undefined)
  const name = lending()?.name ?? ''
  return {
    ref: refs[0] as ObjectRef<fn.Node>,
    ownerDies: () => {
      cluster.kill(name)
    },
  }
}

const rootOf = (error: unknown): unknown =>
  error instanceof TaskError ? rootOf(error.cause) : error

describe('the owner of an object dies', () => {
  it('get is told', () =>
    cluster.run(async () => {
      const { ref, ownerDies } = await lentByWorker()
      ownerDies()
      await caught(get(ref), OwnerDiedError)
    }))

  it('wait counts it as ready, as any failure', () =>
    cluster.run(async () => {
      const { ref, ownerDies } = await lentByWorker()
      ownerDies()
      expect(await wait([ref])).toEqual([[ref], []])
    }))

  it('a task that needs it as an argument fails so, and one that gets it from a value', () =>
    cluster.run(async () => {
      const { ref, ownerDies } = await lentByWorker()
      ownerDies()
      await caught(fn.relabel.run(ref, 5), OwnerDiedError)
      const holder = fn.RemoteHolder.remote()
      await holder.keep.run(fn.nodeOf(3, [ref], false))
      expect(rootOf(await caught(holder.idsBelow.run(3), TaskError))).toBeInstanceOf(OwnerDiedError)
    }))

  it('a ref that came inside a stream item is told when the producer dies', () =>
    cluster.run(async () => {
      const refs: ObjectRef<fn.Node>[] = []
      for await (const node of fn.items.run([fn.nodeOf(1, [], false)])) refs.push(...node.refs)
      const names = [...cluster.workers.keys()]
      for (const name of names) cluster.kill(name)
      await caught(get(refs), OwnerDiedError)
    }))

  it('a value fetched before stays', () =>
    cluster.run(async () => {
      const { ref, ownerDies } = await lentByWorker()
      await get(ref)
      ownerDies()
      expect((await get(ref)).id).toBe(1)
    }))
})

describe('the last handle of an actor goes', () => {
  it('its queued calls finish first, then it ends', () =>
    cluster.run(async () => {
      const results = callsOfForgotten(20)
      let done = 0
      for (const result of results) void get(result).then(() => (done += 1))
      await until(() => {
        systemFinalization.collect()
        return done > 0
      })
      expect(await get(results)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
      const workerCount = cluster.workers.size
      await until(() => {
        systemFinalization.collect()
        return cluster.workers.size < workerCount
      })
      expect(await get(await put(1))).toBe(1)
    }))
})

function callsOfForgotten(count: number): ObjectRef<number>[] {
  const counter = fn.RemoteSlow.remote()
  return Array.from({ length: count }, () => counter.next.remote())
}
