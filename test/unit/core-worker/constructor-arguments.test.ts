// An argument of a constructor fails: whoever holds a handle is told, wherever the handle went.
import { expect, it } from 'vitest'
import { ActorDiedError, TaskError } from '../../../runtime/common/errors.ts'
import { MemoryCluster } from '../../support/memory-cluster.ts'
import { caught } from '../../support/waiting.ts'
import * as fn from './ref-functions.ts'

it('a task that was handed the handle hears of it, as its creator does', async () => {
  const cluster = await MemoryCluster.start()
  try {
    await cluster.run(async () => {
      const failing = fn.fails.remote(fn.nodeOf(1, [], false))
      const actor = fn.RemoteKeeper.remote(failing)
      const there = fn.askKeeper.run({ actor })
      await caught(actor.id.run(), TaskError)
      const { cause } = await caught(there, TaskError)
      expect(cause).toBeInstanceOf(ActorDiedError)
      expect((cause as Error).message).toContain('with refs')
    })
  } finally {
    await cluster.stop()
  }
})
