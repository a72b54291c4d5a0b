// Bursts of tasks, more than the driver's node has CPUs: what one has made is read by others.
// What comes back is right or an error; when nothing goes wrong any more, all of it comes back.
import {
  ObjectCorruptedError,
  ObjectLostError,
  ObjectNotFoundError,
} from '../../../runtime/common/errors.ts'
import { INLINE_BYTES_MAX } from '../../../runtime/common/limits.ts'
import { get, wait, type ObjectRef } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import { ERROR_CHARS_MAX } from './judge.ts'
import type { Part, PartHost } from './program.ts'

export class TasksProgram implements Part {
  readonly #host: PartHost

  constructor(host: PartHost) {
    this.#host = host
  }

  async round(name: string): Promise<boolean> {
    const { draw } = this.#host
    const calls = Array.from({ length: draw.int(1, 5) }, (_, i) => {
      return this.#call(`${name}.${String(i)}`, [])
    })
    // What one has made is read by another, wherever that runs.
    for (const made of [...calls]) {
      if (draw.chance(0.3)) calls.push(this.#call(`${made.key}.next`, [made]))
    }
    if (draw.chance(READ_LATER_SHARE)) {
      const refs = calls.map(({ ref }) => ref)
      await wait(refs, { numReturns: refs.length, fetchLocal: false })
      // Meanwhile the node that has a value may be gone.
      await remote.sleep(draw.between(0, READ_LATER_MS_MAX))
    }
    const ends = await Promise.allSettled(calls.map((call) => this.#take(call)))
    for (const { ref } of calls) ref.free()
    ends.forEach((end, i) => {
      const { key, digest } = calls[i] as Call
      if (end.status === 'rejected') {
        this.#failed(key, end.reason)
        return
      }
      if (remote.digestOf(end.value) === digest) return
      this.#host.judge.broken(`I1: ${key} gave ${String(remote.digestOf(end.value))}`)
    })
    return ends.every(({ status }) => status === 'fulfilled')
  }

  async #take({ key, ref }: Call): Promise<remote.Value> {
    try {
      const value = await get(ref)
      this.#host.judge.note(`has ${key}`)
      this.#host.judge.told(key, ref)
      return value
    } catch (error) {
      this.#host.judge.note(`has no ${key}: ${String(error).slice(0, ERROR_CHARS_MAX)}`)
      throw error
    }
  }

  /** A call may fail for the faults of a run; what it gave is made again when it is gone, and is
   *  never unknown to who holds its ref. */
  #failed(key: string, error: unknown): void {
    if (!GONE.some((kind) => error instanceof kind)) return
    const { data } = error as ObjectLostError
    // RV3: each loss costs its task a retry, and so does each crash.
    if (data['reason'] === 'RETRIES_USED_UP' && this.#lossCount() >= RETRIES) return
    this.#host.judge.broken(`RV: ${key} was not made again`, error)
  }

  /** What may have cost tasks a retry, in the whole run. */
  #lossCount(): number {
    const { world, members } = this.#host.cluster
    const damaged = world.nodes.reduce((sum, { disk }) => sum + disk.damageCount, 0)
    return world.crashCount + damaged + members.length
  }

  #call(key: string, args: readonly Call[]): Call {
    const { draw, cluster } = this.#host
    const isLarge = draw.chance(cluster.plan.largeShare)
    const doing = {
      ...{ key, sleepMs: draw.between(50, 800), spinMs: 0, atMostOnce: false },
      sizeBytes: isLarge ? draw.int(INLINE_BYTES_MAX + 1, LARGE_BYTES_MAX) : 0,
    }
    this.#host.judge.note(`submits ${key}${isLarge ? `, of ${String(doing.sizeBytes)} B` : ''}`)
    const ref = remote.combine.remote(doing, ...args.map((each) => each.ref))
    const digest = remote.combined(
      key,
      args.map((each) => each.digest),
    )
    return { key, digest, ref }
  }
}

interface Call {
  readonly key: string
  /** Of what it must give. */
  readonly digest: number
  readonly ref: ObjectRef<remote.Value>
}

const GONE = [ObjectLostError, ObjectNotFoundError, ObjectCorruptedError]
/** maxRetries where a call says nothing. */
const RETRIES = 3
const READ_LATER_SHARE = 0.4
const READ_LATER_MS_MAX = 10_000
/** They lie in the store of the node where they were made. */
const LARGE_BYTES_MAX = 300 * 1024
