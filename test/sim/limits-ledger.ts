// What ran under limiters, seen from outside: how many at once, and how many began in which time.
//   TB1  no more tasks of a limiter run at once than it says, over all nodes
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
  readonly attempt: number
  readonly process: SimProcess
  /** The driver that submitted it. Default: one of the one node that there is. */
  readonly owner?: SimProcess
}

interface Begun {
  readonly running: Set<LimitedRun>
  /** The newest attempt of each task. */
  readonly newest: Map<string, number>
  readonly rate: RateJudge | undefined
}

export interface LimitsLedgerParts {
  nowMs(): number
  broken(what: string): void
  /**
   * Where there are several nodes: whether the node of that process counts as dead. There, a task
   * may run on, on another node, when its owner has begun another attempt of it under its token.
   */
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
    const { running, newest } = begun
    const before = newest.get(run.key)
    if (before !== undefined && before >= run.attempt) return () => undefined
    newest.set(run.key, run.attempt)
    running.add(run)
    if (before === undefined && !this.#isVoid(run)) this.#checkRate(limit, begun)
    this.#checkCount(limit, begun)
    return () => {
      running.delete(run)
    }
  }

  /** Its owner has its result or its error: what of it runs yet holds no token. */
  over({ name }: JudgedLimit, key: string): void {
    const begun = this.#limits.get(name)
    if (begun === undefined) return
    begun.newest.set(key, Infinity)
    for (const run of begun.running) if (run.key === key) begun.running.delete(run)
  }

  #add({ name, concurrency, perSecond }: JudgedLimit): Begun {
    const begun = {
      ...{ running: new Set<LimitedRun>(), newest: new Map<string, number>() },
      rate: perSecond === undefined ? undefined : new RateJudge(perSecond, concurrency),
    }
    this.#limits.set(name, begun)
    return begun
  }

  #checkCount({ name, concurrency }: JudgedLimit, { running, newest }: Begun): void {
    const counted = [...running].filter(
      (run) =>
        run.process.alive &&
        (this.#parts.isOver === undefined || newest.get(run.key) === run.attempt) &&
        !this.#isVoid(run),
    )
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

  /** Who is declared dead while it lives has its tokens given to others. */
  #isVoid({ owner }: LimitedRun): boolean {
    return owner !== undefined && this.#parts.isOver?.(owner) === true
  }
}
