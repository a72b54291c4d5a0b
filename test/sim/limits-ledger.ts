// What ran under limiters, seen from outside: how many at once, and how many began in which time.
//   TB1  no more attempts of tasks of a limiter run at once than it says, over all nodes: also one
//        that its owner has given up counts for as long as it runs (D163)
//   TB2  in any time no more begin than its rate allows in it, its burst, and those whose tokens
//        were out when it began
import { RateJudge } from '../support/rate-judge.ts'
import type { SimProcess } from './process.ts'

export interface JudgedLimit {
  readonly name: string
  readonly concurrency: number
  /** Default: no limit of that kind. */
  readonly perSecond?: number
}

/** An attempt of a task that has begun. */
export interface LimitedRun {
  readonly key: string
  readonly process: SimProcess
  /** The driver that submitted it. Default: one of the one node that there is. */
  readonly owner?: SimProcess
}

interface Begun {
  readonly running: Set<LimitedRun>
  /** Tasks of which an attempt began: the next ones run under the token of the first. */
  readonly known: Set<string>
  readonly rate: RateJudge | undefined
}

export interface LimitsLedgerParts {
  nowMs(): number
  broken(what: string): void
  /** Where there are several nodes: whether the node of that process counts as dead. */
  readonly isOver: ((process: SimProcess) => boolean) | undefined
}

export class LimitsLedger {
  readonly #parts: LimitsLedgerParts
  readonly #limits = new Map<string, Begun>()

  constructor(parts: LimitsLedgerParts) {
    this.#parts = parts
  }

  /** @returns what ends it */
  began(limit: JudgedLimit, run: LimitedRun): () => void {
    const begun = this.#limits.get(limit.name) ?? this.#add(limit)
    const { running, known } = begun
    const isFirst = !known.has(run.key)
    known.add(run.key)
    running.add(run)
    if (isFirst && !this.#isVoid(run)) this.#checkRate(limit, begun)
    this.#checkCount(limit, begun)
    return () => {
      running.delete(run)
    }
  }

  #add({ name, concurrency, perSecond }: JudgedLimit): Begun {
    const begun = {
      ...{ running: new Set<LimitedRun>(), known: new Set<string>() },
      rate: perSecond === undefined ? undefined : new RateJudge(perSecond, concurrency),
    }
    this.#limits.set(name, begun)
    return begun
  }

  #checkCount({ name, concurrency }: JudgedLimit, { running }: Begun): void {
    const counted = [...running].filter((run) => run.process.alive && !this.#isVoid(run))
    if (counted.length <= concurrency) return
    const which = counted.map(({ key, process }) => `${key} in ${process.name}`).join(', ')
    this.#parts.broken(
      `TB1: limiter ${name} let ${String(counted.length)} run at once, not ` +
        `${String(concurrency)}: ${which}`,
    )
  }

  #checkRate({ name, perSecond }: JudgedLimit, { rate }: Begun): void {
    const excess = rate?.began(this.#parts.nowMs()) ?? 0
    if (excess === 0) return
    this.#parts.broken(
      `TB2: limiter ${name} let ${excess.toFixed(2)} more begin than ${String(perSecond)}/s do`,
    )
  }

  /** Who is declared dead while it lives has its tokens given to others, and what it runs begun
   *  again elsewhere (D136). */
  #isVoid({ process, owner }: LimitedRun): boolean {
    const { isOver } = this.#parts
    if (isOver === undefined) return false
    return isOver(process) || (owner !== undefined && isOver(owner))
  }
}
