// Refs of which a task on another node is the owner: it may be gone when they are read. Then one of
// those who hold them adopts what it owned.
//   AO1, I2  all who read after its death see the same, where nobody died since
//   I5       what a task made is made again; what was put is there, or is told to be lost
import { OwnerDiedError } from '../../../runtime/common/errors.ts'
import { get, type ObjectRef } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import { lentTo } from './lending.ts'
import type { Part, PartHost } from './program.ts'
import { readStamp, type Lent } from './workload.ts'

const READ_LATER_MS_MAX = 10_000
const LENT_MS = 60_000

export class OrphansProgram implements Part {
  readonly #host: PartHost

  constructor(host: PartHost) {
    this.#host = host
  }

  async round(name: string): Promise<boolean> {
    const { draw } = this.#host
    const given = await lentTo(this.#host, name, () => LENT_MS)
    if (given === undefined) return false
    const { what, lent } = given
    await remote.sleep(draw.between(0, READ_LATER_MS_MAX))
    const wentWell = [
      await this.#digest(`${name}.1`, lent.made, remote.combined(`${name}.1`, [])),
      await this.#digest(`${name}.0`, lent.stored, remote.digestOfPart(what, 0)),
      await this.#sameStamps(name, lent),
    ]
    return wentWell.every((each) => each)
  }

  async #digest(key: string, ref: ObjectRef<remote.Value>, wanted: number): Promise<boolean> {
    try {
      const got = remote.digestOf(await get(ref))
      this.#host.judge.note(`has ${key}`)
      if (got !== wanted) this.#host.judge.broken(`I2: ${key} gave ${String(got)}`)
      return true
    } catch (error) {
      this.#host.judge.failed(key, error)
      // Its owner may have become an actor, and that was killed.
      return error instanceof OwnerDiedError && key.endsWith('.0')
    } finally {
      ref.free()
    }
  }

  /** AO1: two readers on two nodes, of whom one adopts it where its owner is dead. */
  async #sameStamps(key: string, { stamped: ref, pid }: Lent): Promise<boolean> {
    const options = { schedulingStrategy: 'SPREAD', maxRetries: 0 } as const
    const there = readStamp.options(options).remote({ ref })
    const before = this.#ownerIs(pid)
    try {
      const [here, elsewhere] = await Promise.all([get(ref), get(there)])
      const isSettled = before !== 'UNKNOWN' && before === this.#ownerIs(pid)
      if (isSettled && here !== elsewhere) {
        this.#host.judge.broken(`AO1: ${key} has stamps ${String(here)} and ${String(elsewhere)}`)
      }
      return true
    } catch (error) {
      this.#host.judge.failed(key, error)
      return false
    } finally {
      ref.free()
      there.free()
    }
  }

  /** UNKNOWN: to some it may live, and to others not. */
  #ownerIs(pid: number): 'ALIVE' | 'DEAD' | 'UNKNOWN' {
    const { cluster, member } = this.#host
    const owner = cluster.world.processOf(pid)
    if (cluster.witness.isOver(member)) return 'UNKNOWN'
    if (!owner.alive) return 'DEAD'
    return cluster.isOver(owner) ? 'UNKNOWN' : 'ALIVE'
  }
}
