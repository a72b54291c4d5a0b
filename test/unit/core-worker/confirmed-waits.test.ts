// What a process answers when the detector of another node doubts one of its waits: what is still
// missing once all replies that had been sent by then have arrived.
import { beforeEach, describe, expect, test } from 'vitest'
import type { ActorId, ObjectId, TaskId } from '../../../runtime/common/ids.ts'
import { Blocking } from '../../../runtime/core-worker/blocking.ts'
import type { CoreWorker } from '../../../runtime/core-worker/core-worker.ts'
import type { ObjectEntry } from '../../../runtime/core-worker/object-entry.ts'
import type { Scope } from '../../../runtime/core-worker/scope.ts'
import { PUSHED } from '../../../runtime/core-worker/task-record.ts'

interface Told {
  readonly type: string
  readonly check?: number
  readonly on?: readonly { readonly name: string }[]
}

let told: Told[]
/** Answers the flush that was asked for, or says that its connection has closed. */
let flush: { readonly resolve: () => void; readonly reject: (why: Error) => void }[]
let blocking: Blocking

beforeEach(() => {
  told = []
  flush = []
  const scope = { taskId: 'waits' as TaskId, parts: { mode: 'worker', name: 'waits' } }
  const worker = {
    deps: {
      raylet: {
        hold: () => undefined,
        notify: (type: string, message: object) => void told.push({ type, ...message }),
      },
      context: { current: () => scope as Scope },
    },
    execution: undefined,
    references: { idOf: () => 'object-of-a-task' as ObjectId },
    registry: { realId: (id: ActorId) => id },
  }
  blocking = new Blocking(worker as unknown as CoreWorker)
})

/** The result of a call that was sent to an actor. */
function aCall(): ObjectEntry & { pending: boolean } {
  const channel = {
    request: () =>
      new Promise<void>((resolve, reject) => {
        flush.push({ resolve, reject })
      }),
  }
  const kind = { name: 'Actor.call', actorId: 'actor' as ActorId }
  const entry = { pending: true, task: { phase: PUSHED, kind, peer: { channel } } }
  return entry as unknown as ObjectEntry & { pending: boolean }
}

const answers = (): readonly Told[] => told.filter(({ check }) => check !== undefined)
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('a wait that is asked about', () => {
  test('is told when the replies before have come, without those that they brought', async () => {
    const [first, second] = [aCall(), aCall()]
    blocking.block([first, second], () => undefined)
    blocking.check(1, 7)
    await turn()
    expect(answers()).toEqual([])
    first.pending = false
    for (const { resolve } of flush) resolve()
    await turn()
    expect(answers()).toMatchObject([{ type: 'blocked', check: 7, need: 1 }])
    expect(answers()[0]?.on).toHaveLength(1)
  })

  test('is not told when it ended meanwhile, or the actor cannot be asked', async () => {
    const unblock = blocking.block([aCall()], () => undefined)
    blocking.check(1, 7)
    flush[0]?.reject(new Error('closed'))
    await turn()
    blocking.check(1, 8)
    unblock()
    flush[1]?.resolve()
    await turn()
    expect(answers()).toEqual([])
  })
})
