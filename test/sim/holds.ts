// What a simulated network carries late: nothing passes until then, and then all of it, in order.
// Between two processes both ways; between two machines each way by itself, as links may carry one
// way only.
import { pairOf } from './breaks.ts'
import { machineOf, type SimProcess } from './process.ts'

export class Holds {
  readonly #processes = new Map<string, number>()
  /** By sender and receiver. */
  readonly #machines = new Map<string, number>()

  hold(a: SimProcess, b: SimProcess, untilMs: number): void {
    this.#processes.set(pairOf(a, b), untilMs)
  }

  /** What one machine sends to the other. */
  holdOneWay(from: string, to: string, untilMs: number): void {
    const way = wayOf(from, to)
    this.#machines.set(way, Math.max(untilMs, this.#machines.get(way) ?? 0))
  }

  /** When what is sent now may arrive. */
  arrivesMs(from: SimProcess, to: SimProcess): number {
    const ofPair = this.#processes.get(pairOf(from, to)) ?? 0
    return Math.max(ofPair, this.#wayMs(machineOf(from), machineOf(to)))
  }

  /** When an answer may arrive: nothing is acknowledged while one of the ways is held. */
  answersMs(a: SimProcess, b: SimProcess): number {
    return Math.max(this.arrivesMs(a, b), this.arrivesMs(b, a))
  }

  /** The same for what two machines say, whatever is held between their processes. */
  machinesAnswerMs(a: string, b: string): number {
    return Math.max(this.#wayMs(a, b), this.#wayMs(b, a))
  }

  #wayMs(from: string, to: string): number {
    return this.#machines.get(wayOf(from, to)) ?? 0
  }
}

const wayOf = (from: string, to: string): string => `${from} ${to}`
