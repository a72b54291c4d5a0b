// What a durable job was told is there, whoever dies but its driver: refs of which a task on
// another node is the owner, read when it may be gone. One of those who hold them adopts what it
// owned.
//   DJ1  what was told can be read: a put from the bucket, a small one from the GCS, and a result
//        is made again
//   DJ2  nothing is told before what makes it again is in the GCS: judge.ts
import { CapacityError, GcsUnavailableError, TaskError } from '../../../runtime/common/errors.ts'
import { get, type ObjectRef } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import { lentTo } from './lending.ts'
import type { Part, PartHost } from './program.ts'

const READ_LATER_MS_MAX = 10_000
/** The owner lets go of its refs then: they are held by who was told of them alone. */
const LENT_MS_MAX = 5_000
/** Together longer than anything is away. */
const TRIES_MAX = 60
const AGAIN_MS = 2_000

export class DurableProgram implements Part {
  readonly #host: PartHost

  constructor(host: PartHost) {
    this.#host = host
  }

  async round(name: string): Promise<boolean> {
    const { draw } = this.#host
    const given = await lentTo(this.#host, name, (draw) => draw.between(0, LENT_MS_MAX))
    if (given === undefined) return false
    const { what, lent } = given
    lent.stamped.free()
    this.#host.judge.note(`is told of ${name}, of ${String(what.sizeBytes)} B`)
    await remote.sleep(draw.between(0, READ_LATER_MS_MAX))
    const wentWell = [
      await this.#read(`${name}.0`, lent.stored, remote.digestOfPart(what, 0)),
      await this.#read(`${name}.1`, lent.made, remote.combined(`${name}.1`, [])),
    ]
    return wentWell.every((each) => each)
  }

  /** DJ1. */
  async #read(key: string, ref: ObjectRef<remote.Value>, wanted: number): Promise<boolean> {
    const { judge } = this.#host
    try {
      const got = remote.digestOf(await this.#got(key, ref))
      judge.note(`has ${key}`)
      if (got !== wanted) judge.broken(`DJ1: ${key} gave ${String(got)}`)
      return true
    } catch (error) {
      judge.failed(key, error)
      if (!this.#isOver() && !isRefusedRoom(error))
        judge.broken(`DJ1: ${key} was told to a durable job, and is lost`, error)
      return false
    } finally {
      ref.free()
    }
  }

  /** A bucket, a GCS or a store that cannot give it now is asked again. */
  async #got(key: string, ref: ObjectRef<remote.Value>): Promise<remote.Value> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await get(ref)
      } catch (error) {
        const mayPass = error instanceof CapacityError || error instanceof GcsUnavailableError
        if (!mayPass || tries === TRIES_MAX) throw error
        this.#host.judge.note(`cannot read ${key} now: ${error.message}`)
      }
      await remote.sleep(AGAIN_MS)
    }
  }

  /** What a node that leaves, or counts as dead, has under way fails with it. */
  #isOver(): boolean {
    const { cluster, member } = this.#host
    const { nowMs } = cluster.world.scheduler
    return member.drained || member.isLeaving || member.mayBeDeclaredDead(nowMs)
  }
}

/** What is made again may find a store full whose disk refuses, as any task may. */
const isRefusedRoom = (error: unknown): boolean =>
  error instanceof TaskError && error.cause instanceof CapacityError
