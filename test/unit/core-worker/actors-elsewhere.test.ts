// A handle of an actor of another node: whoever uses it hears that at once, and where it lives.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { UsageError } from '../../../runtime/common/errors.ts'
import type { NodeId } from '../../../runtime/common/ids.ts'
import { actorTargetOf } from '../../../runtime/core-worker/actor-handle.ts'
import { actorHandleOf } from '../../../runtime/core-worker/actor-calls.ts'
import { kill } from '../../../sdk/actors.ts'
import { MemoryCluster } from '../../support/memory-cluster.ts'
import { caught } from '../../support/waiting.ts'
import * as fn from './ref-functions.ts'

const OTHER = '\x0b' as NodeId

let cluster: MemoryCluster
beforeEach(async () => {
  cluster = await MemoryCluster.start()
})
afterEach(async () => {
  await cluster.stop()
})

/** The same handle, as if the actor had been made on another node. */
function fromElsewhere<T extends object>(handle: T): T {
  const { info, entry } = actorTargetOf(handle)
  return actorHandleOf(cluster.driver, { ...info, nodeId: OTHER }, entry) as T
}

it('a call is refused', async () => {
  await cluster.run(async () => {
    const echo = fromElsewhere(fn.RemoteEcho.remote())
    const refusal = await caught(echo.echo.run('lost'), UsageError)
    expect(refusal.message).toContain('lives on node 0b')
  })
})

it('kill() is refused, and kills nothing', async () => {
  await cluster.run(async () => {
    const echo = await fn.RemoteEcho.create()
    const refusal = await caught(kill(fromElsewhere(echo)), UsageError)
    expect(refusal.message).toContain('lives on node 0b')
    expect(await echo.echo.run('still here')).toBe('still here')
  })
})
