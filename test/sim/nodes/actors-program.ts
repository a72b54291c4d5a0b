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

interface Teller {
  readonly caller: string
  readonly handle: TellerHandle
  readonly atMostOnce: boolean
  /** Other drivers may kill it. */
  readonly isShared: boolean
  readonly mayDie: boolean
  life: number
}

export class ActorsProgram implements Part {
  readonly #host: PartHost

  constructor(host: PartHost) {
    this.#host = host
  }

  async round(name: string): Promise<boolean> {
    const { draw } = this.#host
    const teller = this.#make(name)
    const told: boolean[] = []
    for (let seq = draw.int(1, CALLS_MAX); seq > 0; seq -= 1) {
      told.push(...(await this.#calls(teller, CALLS_MAX - seq)))
      if (draw.chance(0.2)) told.push(await this.#callFromElsewhere(teller, CALLS_MAX + seq))
      if (draw.chance(0.5)) await remote.sleep(draw.between(0, PAUSE_MS_MAX))
    }
    await this.#end(teller)
    return teller.isShared || told.every((each) => each)
  }

  #make(name: string): Teller {
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
      ...named,
    }).remote(name, atMostOnce)
    return { caller: name, handle, atMostOnce, isShared, mayDie: maxRestarts >= 0, life: 0 }
  }

  /** One, or two at once: no later than the one before it reaches the actor. */
  #calls(teller: Teller, index: number): Promise<boolean[]> {
    const count = this.#host.draw.chance(0.3) ? 2 : 1
    return Promise.all(Array.from({ length: count }, (_, i) => this.#call(teller, 2 * index + i)))
  }

  async #call(teller: Teller, seq: number): Promise<boolean> {
    const { handle, caller } = teller
    const ref = handle.tell.remote(caller, seq, this.#host.draw.between(0, CALL_MS_MAX))
    try {
      this.#answered(teller, seq, await get(ref))
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

  #answered(teller: Teller, seq: number, told: Told): void {
    const what = `${teller.caller}#${String(seq)}`
    this.#host.judge.note(`${what} was told by life ${String(told.life)} of ${told.key}`)
    if (told.seq !== seq) this.#host.judge.broken(`I6: ${what} was told #${String(told.seq)}`)
    if (told.life < teller.life) {
      this.#host.judge.broken(`I6: ${what} was told by life ${String(told.life)}, that is over`)
    }
    teller.life = told.life
    const effects = this.#host.cluster.ledger.effectsOf(told.key, teller.caller, seq)
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
