// Actors on any node: called while nodes die, started again elsewhere, some under a name that all
// drivers compete for.
//   I6  each call takes effect at most once where it may not be repeated; a caller that was
//       answered by one life is not answered by an earlier one; an actor that has restarts left
//       dies only when it is killed
import { get, kill } from '../../../sdk/index.ts'
import * as remote from '../workload.ts'
import type { Part, PartHost } from './program.ts'
import { askTeller, RemoteTeller, type TellerHandle, type Told } from './workload.ts'

const NAMES = ['one', 'other']
const CALLS_MAX = 4
const PAUSE_MS_MAX = 3_000
const CALL_MS_MAX = 300
/** Of a call that may be under way when its node has been found dead, and others go on. */
const LONG_CHANCE = 0.2
const LONG_MS = { min: 25_000, max: 60_000 }
/** It goes on for so long once no fault begins any more. */
const LONG_END_MS = 20_000
const LONG_CONCURRENCY = 4
const PAUSE_MS_MIN = 100

interface Teller {
  readonly caller: string
  readonly handle: TellerHandle
  readonly atMostOnce: boolean
  /** Other drivers may kill it. */
  readonly isShared: boolean
  readonly mayDie: boolean
  life: number
}

interface Call {
  readonly caller: string
  readonly seq: number
  readonly sleepMs: number
  /** It sleeps no longer than that. */
  readonly untilMs: number
}

export class ActorsProgram implements Part {
  readonly #host: PartHost

  constructor(host: PartHost) {
    this.#host = host
  }

  async round(name: string): Promise<boolean> {
    const { draw } = this.#host
    const isLong = draw.chance(LONG_CHANCE)
    const teller = this.#make(name, isLong)
    const told: boolean[] = []
    let isUnderWay = isLong
    const long = isLong ? this.#longCall(teller) : Promise.resolve(true)
    const ended = long.then((isTold) => {
      isUnderWay = false
      told.push(isTold)
    })
    const count = draw.int(1, CALLS_MAX)
    for (let index = 0; index < count || isUnderWay; index += 1) {
      told.push(...(await this.#calls(teller, index)))
      if (draw.chance(0.2)) told.push(await this.#callFromElsewhere(teller, index))
      if (isUnderWay || draw.chance(0.5)) {
        await remote.sleep(draw.between(PAUSE_MS_MIN, PAUSE_MS_MAX))
      }
    }
    await ended
    await this.#end(teller)
    return teller.isShared || told.every((each) => each)
  }

  #make(name: string, isLong: boolean): Teller {
    const { draw } = this.#host
    const isShared = draw.chance(0.3)
    const atMostOnce = draw.chance(0.5)
    const maxRestarts = draw.pick([0, 1, -1, -1])
    const named = isShared
      ? {
          name: draw.pick(NAMES),
          namespace: remote.SHARED_NAMESPACE,
          getIfExists: draw.chance(0.5),
        }
      : draw.pick([{}, { name }])
    this.#host.judge.note(`makes ${name}, ${JSON.stringify({ ...named, maxRestarts, atMostOnce })}`)
    const handle = RemoteTeller.options({
      ...{ maxRestarts, maxTaskRetries: atMostOnce ? 0 : 20 },
      schedulingStrategy: draw.pick(['DEFAULT', 'SPREAD']),
      ...(draw.chance(0.15) ? { lifetime: 'detached' } : {}),
      ...(isLong ? { maxConcurrency: LONG_CONCURRENCY } : {}),
      ...named,
    }).remote(name, atMostOnce)
    return { caller: name, handle, atMostOnce, isShared, mayDie: maxRestarts >= 0, life: 0 }
  }

  /** One, or two at once: no later than the one before it reaches the actor. */
  #calls(teller: Teller, index: number): Promise<boolean[]> {
    const { draw } = this.#host
    const count = draw.chance(0.3) ? 2 : 1
    return Promise.all(
      Array.from({ length: count }, (_, i) => {
        const sleepMs = draw.between(0, CALL_MS_MAX)
        const { caller } = teller
        return this.#call(teller, { caller, seq: 2 * index + i, sleepMs, untilMs: Infinity })
      }),
    )
  }

  /** It is beside the others: its place in their order does not matter. */
  #longCall(teller: Teller): Promise<boolean> {
    const { draw, cluster } = this.#host
    const caller = `${teller.caller}'s long call`
    const sleepMs = draw.between(LONG_MS.min, LONG_MS.max)
    const untilMs = cluster.plan.faultsEndMs + LONG_END_MS
    return this.#call(teller, { caller, seq: 0, sleepMs, untilMs })
  }

  async #call(teller: Teller, { caller, seq, sleepMs, untilMs }: Call): Promise<boolean> {
    this.#host.cluster.ledger.called(caller, seq, remote.here().process)
    const ref = teller.handle.tell.remote(caller, seq, sleepMs, untilMs)
    try {
      this.#answered(teller, { caller, seq }, await get(ref))
      return true
    } catch (error) {
      this.#failed(teller, `${caller}#${String(seq)}`, error)
      return false
    } finally {
      ref.free()
    }
  }

  async #callFromElsewhere(teller: Teller, seq: number): Promise<boolean> {
    const caller = `${teller.caller}'s task ${String(seq)}`
    const asks = askTeller.options({ schedulingStrategy: 'SPREAD', maxRetries: 0 })
    const ref = asks.remote(teller.handle, caller)
    try {
      await get(ref)
      return true
    } catch (error) {
      this.#host.judge.failed(caller, error)
      return false
    } finally {
      ref.free()
    }
  }

  #answered(teller: Teller, call: Pick<Call, 'caller' | 'seq'>, told: Told): void {
    const { caller, seq } = call
    const what = `${caller}#${String(seq)}`
    this.#host.judge.note(`${what} was told by life ${String(told.life)} of ${told.key}`)
    if (told.seq !== seq) this.#host.judge.broken(`I6: ${what} was told #${String(told.seq)}`)
    if (told.life < teller.life) {
      this.#host.judge.broken(`I6: ${what} was told by life ${String(told.life)}, that is over`)
    }
    teller.life = told.life
    const effects = this.#host.cluster.ledger.effectsOf(told.key, caller, seq)
    if (effects === 0) this.#host.judge.broken(`I6: ${what} was answered and had no effect`)
  }

  #failed(teller: Teller, what: string, error: unknown): void {
    const { member, cluster } = this.#host
    // What a node that counts as dead has made ends with it.
    const mayDie = teller.mayDie || member.mayBeDeclaredDead(cluster.world.scheduler.nowMs)
    const never = teller.isShared || mayDie || member.drained ? [] : ['ActorDiedError']
    this.#host.judge.failed(what, error, never)
  }

  async #end(teller: Teller): Promise<void> {
    try {
      await kill(teller.handle)
    } catch (error) {
      this.#failed(teller, `the end of ${teller.caller}`, error)
    }
  }
}
