// What the driver of each node does: bursts of tasks, more than its node has CPUs, again and again.
// What comes back is right or an error; when nothing goes wrong any more, all of it comes back.
import { ObjectLostError, ObjectNotFoundError } from '../../../runtime/common/errors.ts'
import { INLINE_BYTES_MAX } from '../../../runtime/common/limits.ts'
import { get, wait, type ObjectRef } from '../../../sdk/index.ts'
import type { Draw } from '../draw.ts'
import * as remote from '../workload.ts'
import type { World } from '../world.ts'
import type { SimMember } from './member.ts'

export class NodesProgram {
  readonly #world: World
  readonly #member: SimMember
  readonly #draw: Draw

  constructor(world: World, member: SimMember, draw: Draw) {
    this.#world = world
    this.#member = member
    this.#draw = draw
  }

  /** Until its process ends. */
  async run(): Promise<void> {
    const { machine } = this.#member
    for (let round = 1; ; round += 1) {
      if (await this.#burst(`${machine}.${String(round)}`)) {
        this.#member.goodAtMs = this.#world.scheduler.nowMs
      }
      await remote.sleep(this.#draw.between(500, 3_000))
    }
  }

  /** @returns whether all went well. */
  async #burst(name: string): Promise<boolean> {
    const calls = Array.from({ length: this.#draw.int(1, 5) }, (_, i) => {
      return this.#call(`${name}.${String(i)}`, [])
    })
    // What one has made is read by another, wherever that runs.
    for (const made of [...calls]) {
      if (this.#draw.chance(0.3)) calls.push(this.#call(`${made.key}.next`, [made]))
    }
    if (this.#draw.chance(READ_LATER_SHARE)) {
      const refs = calls.map(({ ref }) => ref)
      await wait(refs, { numReturns: refs.length, fetchLocal: false })
      // Meanwhile the node that has a value may be gone.
      await remote.sleep(this.#draw.between(0, READ_LATER_MS_MAX))
    }
    const ends = await Promise.allSettled(calls.map((call) => this.#take(call)))
    for (const { ref } of calls) ref.free()
    ends.forEach((end, i) => {
      const { key, digest } = calls[i] as Call
      if (end.status === 'rejected') {
        this.#judge(key, end.reason)
        return
      }
      if (remote.digestOf(end.value) === digest) return
      this.#world.scheduler.fail(`I1: ${key} gave ${String(remote.digestOf(end.value))}`)
    })
    return ends.every(({ status }) => status === 'fulfilled')
  }

  async #take({ key, ref }: Call): Promise<remote.Value> {
    try {
      const value = await get(ref)
      this.#note(`has ${key}`)
      return value
    } catch (error) {
      this.#note(`has no ${key}: ${String(error).slice(0, ERROR_CHARS_MAX)}`)
      throw error
    }
  }

  /** For the story of a run. */
  #note(what: string): void {
    const { trace, nowMs } = this.#world.scheduler
    trace.add(nowMs, `${this.#member.machine}/driver`, what)
  }

  /** A call may fail for the faults of a run; what it gave is made again when it is gone, and is
   *  never unknown to who holds its ref. */
  #judge(key: string, error: unknown): void {
    if (error instanceof ObjectLostError || error instanceof ObjectNotFoundError) {
      this.#world.scheduler.fail(`RV: ${key} was not made again`, error)
    }
  }

  #call(key: string, args: readonly Call[]): Call {
    const isLarge = this.#draw.chance(LARGE_SHARE)
    const doing = {
      ...{ key, sleepMs: this.#draw.between(50, 800), spinMs: 0, atMostOnce: false },
      sizeBytes: isLarge ? this.#draw.int(INLINE_BYTES_MAX + 1, LARGE_BYTES_MAX) : 0,
    }
    this.#note(`submits ${key}${isLarge ? `, of ${String(doing.sizeBytes)} B` : ''}`)
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

const ERROR_CHARS_MAX = 200
const READ_LATER_SHARE = 0.4
const READ_LATER_MS_MAX = 10_000
/** They lie in the store of the node where they were made. */
const LARGE_SHARE = 0.3
const LARGE_BYTES_MAX = 300 * 1024
