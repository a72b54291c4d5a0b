// What a worker stores of the results of its tasks, and what becomes of it if they fail meanwhile.
import { expect, it } from 'vitest'
import { StoppedError } from '../../../runtime/common/errors.ts'
import { systemHash } from '../../../runtime/common/random-system.ts'
import type { StoredAt } from '../../../runtime/core-worker/object-entry.ts'
import type { PushedTask } from '../../../runtime/core-worker/pushed-task.ts'
import { ReplyWriter, type ReplyWriterDeps } from '../../../runtime/core-worker/reply-writer.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { caught } from '../../support/waiting.ts'

it('drops a large result that was being stored when its task failed, and tells nobody', async () => {
  const stored = Promise.withResolvers<StoredAt>()
  const sent: unknown[] = []
  const dropped: unknown[] = []
  const place = { objectId: 'id', sizeBytes: 200_000 } as unknown as StoredAt
  const deps = {
    codec: new ValueCodec(),
    hash: systemHash,
    store: {
      put: () => stored.promise,
      drop: (objects: readonly StoredAt[]) => Promise.resolve(dropped.push(...objects)),
    },
    references: { settled: () => undefined },
    handoffs: { offer: () => undefined },
  } as unknown as ReplyWriterDeps
  const writer = new ReplyWriter(deps)
  const peer = { closed: false, with: (use: unknown) => sent.push(use) }
  const template = { name: 'large', numReturns: 1 }
  const task = { peer, template, parent: 'p'.repeat(16), index: 1, seq: 1 } as unknown as PushedTask
  const replying = writer.value(task, new Uint8Array(200_000), 5)
  writer.answeredOtherwise(task)
  stored.resolve(place)
  expect(await caught(replying ?? Promise.resolve(), StoppedError)).toBeDefined()
  writer.flush()
  expect(dropped).toEqual([place])
  expect(sent).toEqual([])
})
