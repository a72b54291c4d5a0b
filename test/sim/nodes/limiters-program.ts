// Tasks under limiters that the drivers of all nodes share, while the node that counts their tokens
// dies, drains or is cut off.
//   TB1, TB2  ../limits-ledger.ts
//   I9        whoever waits for a token gets one once all is well again
import { get, limiter, type ObjectRef } from '../../../sdk/index.ts'
import type { JudgedLimit } from '../limits-ledger.ts'
import * as remote from '../workload.ts'
import type { Part, PartHost } from './program.ts'

/** So that no more than one of them is under way for long, and all drivers have their turns. */
const LIMITS: readonly JudgedLimit[] = [
  { name: 'few at once', concurrency: 2 },
  { name: 'few a second', concurrency: 3, perSecond: 10 },
]
/** Of tasks that are still at work when others have noticed that they are cut off: one for all
 *  drivers, and one for each. */
const LONG: JudgedLimit = { name: 'one for long', concurrency: 1 }
const LONG_CHANCE = 0.5
/** So many at once, each under a limiter of its own, likely on as many nodes. */
const LONG_TASKS_MAX = 3
const SHARED_CHANCE = 0.3
const LONG_MS = { min: 20_000, max: 60_000 }
const TASKS_MAX = 4
const WORK_MS_MAX = 200

export class LimitersProgram implements Part {
  readonly #host: PartHost

  constructor(host: PartHost) {
    this.#host = host
  }

  async round(name: string): Promise<boolean> {
    const { draw, cluster } = this.#host
    const isLong = draw.chance(LONG_CHANCE)
    const limits = isLong ? this.#longLimits() : [draw.pick(LIMITS)]
    const by = {
      ownerPid: remote.here().process.pid,
      // Once faults have ended, all must have their turns.
      untilMs: isLong ? cluster.plan.faultsEndMs : Infinity,
    }
    const count = isLong ? limits.length : draw.int(1, TASKS_MAX)
    const calls = Array.from({ length: count }, (_, i) => {
      const judged = limits[i % limits.length] as JudgedLimit
      const { name: limitName, ...numbers } = judged
      const key = `${name}.${String(i)}`
      const sleepMs = isLong ? draw.between(LONG_MS.min, LONG_MS.max) : draw.between(0, WORK_MS_MAX)
      const what = { key, sleepMs, spinMs: 0, sizeBytes: 0, atMostOnce: false }
      const schedulingStrategy = isLong ? 'SPREAD' : draw.pick(['DEFAULT', 'SPREAD'] as const)
      const limit = limiter(limitName, numbers)
      const options = { limit, schedulingStrategy, numCpus: isLong ? 0 : 1 } as const
      return { key, ref: remote.limited.options(options).remote(what, judged, by) }
    })
    const names = limits.map((judged) => judged.name).join('; ')
    this.#host.judge.note(`submits ${String(count)} of ${name} under ${names}`)
    const ends = await Promise.all(calls.map((call) => this.#take(call)))
    return ends.every((each) => each)
  }

  #longLimits(): readonly JudgedLimit[] {
    const { draw, member } = this.#host
    if (draw.chance(SHARED_CHANCE)) return [LONG]
    return Array.from({ length: draw.int(1, LONG_TASKS_MAX) }, (_, i) => {
      return { ...LONG, name: `${LONG.name}, of ${member.machine}, ${String(i)}` }
    })
  }

  async #take({ key, ref }: Call): Promise<boolean> {
    const { judge } = this.#host
    try {
      const got = await get(ref)
      judge.note(`has ${key}`)
      if (got !== remote.combined(key, [])) judge.broken(`I1: ${key} gave ${String(got)}`)
      return true
    } catch (error) {
      judge.failed(key, error)
      return false
    } finally {
      ref.free()
    }
  }
}

interface Call {
  readonly key: string
  readonly ref: ObjectRef<number>
}
