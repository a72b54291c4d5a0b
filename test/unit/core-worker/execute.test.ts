// The executor, given pushes as they come off the wire.
import { describe, expect, it } from 'vitest'
import type { TaskId } from '../../../runtime/common/ids.ts'
import { Executor, type ExecutorDeps } from '../../../runtime/core-worker/execute.ts'
import type { Peer } from '../../../runtime/core-worker/peers.ts'
import type { PushedTask } from '../../../runtime/core-worker/pushed-task.ts'
import { NeedsEntryFirst, type RunTimes } from '../../../runtime/core-worker/run-task.ts'
import type { Scope } from '../../../runtime/core-worker/scope.ts'
import { ByteReader } from '../../../runtime/protocol/byte-reader.ts'
import { ByteWriter } from '../../../runtime/protocol/byte-writer.ts'
import { writePushHeader } from '../../../runtime/protocol/task-frames.ts'
import { collect } from '../../support/collect.ts'

const peer = { templates: [{ name: 'square', streaming: false }] } as unknown as Peer

/** A push of tasks with these indices, each with its index as its record. */
function aPush(indices: readonly number[]): ByteReader {
  const writer = new ByteWriter()
  const firstIndex = indices[0] ?? 0
  const parent = 'p'.repeat(16) as TaskId
  writePushHeader(writer, {
    slot: 0,
    attempt: 2,
    firstSeq: 40,
    parent,
    firstIndex,
    count: indices.length,
  })
  let expected = firstIndex
  for (const index of indices) {
    writer.varint(index - expected)
    writer.lengthPrefixed(new Uint8Array([index]))
    expected = index + 1
  }
  return new ByteReader(writer.take())
}

type Parts = { [K in keyof ExecutorDeps]?: unknown }

function anExecutor(run: (index: unknown) => unknown, limit = 1, changed: Parts = {}) {
  const scopes: Scope[] = []
  const ended: object[] = []
  let nowMs = 0
  const deps: Parts = {
    clock: { monotonicMs: () => nowMs++ / 100 },
    replies: { flush: () => undefined, value: () => undefined },
    load: () => run,
    decodeArguments: (task: PushedTask) => [task.takeRecord().u8()],
    runIn: (scope: Scope, body: () => unknown) => {
      scopes.push(scope)
      return body()
    },
    scopeParts: () => ({ mode: 'worker' }),
    finished: (
      { seq, index, attempt }: PushedTask,
      { startMs, endMs }: RunTimes,
      failed: boolean,
    ) => {
      ended.push({ seq, index, attempt, took: endMs > startMs, failed })
    },
    groups: new Map([['', limit]]),
    actorId: undefined,
    ...changed,
  }
  const wait = (ms: number): void => {
    nowMs += ms * 100
  }
  return { executor: new Executor(deps as ExecutorDeps), scopes, ended, wait }
}

describe('the executor', () => {
  it('runs what was pushed in order, also where indices skip what was submitted elsewhere', () => {
    const given: unknown[] = []
    const { executor, ended } = anExecutor((index) => given.push(index))
    executor.push(peer, aPush([3, 4, 9]))
    expect(given).toEqual([3, 4, 9])
    const alike = { attempt: 2, took: true, failed: false }
    expect(ended).toEqual([
      { seq: 40, index: 3, ...alike },
      { seq: 41, index: 4, ...alike },
      { seq: 42, index: 9, ...alike },
    ])
  })

  it('begins at once what comes while another call waits, however long it has', () => {
    const given: unknown[] = []
    const { executor, wait } = anExecutor((index) => {
      given.push(index)
      return index === 1 ? new Promise(() => undefined) : undefined
    }, 2)
    executor.push(peer, aPush([1]))
    wait(1000)
    executor.push(peer, aPush([2, 3])) // the event loop has had its turns meanwhile
    expect(given).toEqual([1, 2, 3])
  })

  it('counts to maxCalls what it runs, not what must wait for the entry elsewhere', () => {
    let [isRegistered, retired] = [false, 0]
    const { executor } = anExecutor(() => undefined, 1, {
      load: () => {
        if (!isRegistered) throw new NeedsEntryFirst()
        return () => undefined
      },
      needsEntryFirst: () => undefined,
      retire: () => (retired += 1),
    })
    const fn = { home: 'a.ts', ordinal: 0 }
    const owner = {
      templates: [{ name: 'once', streaming: false, fn, maxCalls: 2 }],
      with: () => undefined,
    } as unknown as Peer
    executor.push(owner, aPush([1]))
    executor.push(owner, aPush([2]))
    expect(retired).toBe(0)
    isRegistered = true
    executor.push(owner, aPush([3, 4]))
    expect(retired).toBe(1)
  })

  it('takes a run that was too long once into the average of its function', () => {
    const averages: (number | undefined)[] = []
    const { executor, wait } = anExecutor(
      () => {
        wait(averages.length === 0 ? 1000 : 100)
      },
      1,
      {
        replies: { flush: () => undefined, failed: () => undefined },
        failing: (_: PushedTask, error: unknown) => error,
        finished: ({ timing }: PushedTask) => averages.push(timing.averageMs),
      },
    )
    const hurried = {
      templates: [{ name: 'hurried', streaming: false, reportStart: true, timeoutMs: 50 }],
      with: () => undefined,
    } as unknown as Peer
    executor.push(hurried, aPush([1]))
    executor.push(hurried, aPush([2]))
    expect(averages[0]).toBeCloseTo(1000, 0)
    expect(averages[1]).toBeCloseTo(0.8 * 1000 + 0.2 * 100, 0)
  })

  it('answers a task once that fails, where nobody catches it, while its result is stored', async () => {
    const stored = Promise.withResolvers<undefined>()
    const failures: unknown[] = []
    const dropped: number[] = []
    const { executor, scopes, ended } = anExecutor(() => 'large', 1, {
      replies: {
        flush: () => undefined,
        value: () => stored.promise,
        failed: (_task: PushedTask, error: unknown) => failures.push(error),
        answeredOtherwise: ({ index }: PushedTask) => dropped.push(index),
      },
      failing: (_task: PushedTask, error: unknown) => error,
      retire: () => undefined,
    })
    executor.push(peer, aPush([1]))
    const [scope] = scopes
    if (scope === undefined) throw new Error('it did not run')
    executor.endBy(scope, 'uncaught')
    stored.resolve(undefined)
    await stored.promise
    await new Promise(setImmediate)
    expect(failures).toEqual(['uncaught'])
    expect(dropped).toEqual([1])
    expect(ended).toHaveLength(1)
  })

  it('keeps no push for the sake of refs made in its tasks, which keep their scope', async () => {
    const { executor, scopes } = anExecutor(() => undefined)
    const pushed = ((): WeakRef<object> => {
      const reader = aPush([1, 2])
      executor.push(peer, reader)
      return new WeakRef(reader.bytes)
    })()
    // A WeakRef holds for the turn it is made in.
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    expect(scopes).toHaveLength(2)
    expect(pushed.deref()).toBeUndefined()
  })
})
