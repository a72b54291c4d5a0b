// The brain with its clock and its callers: events go in one at a time, in the order they came;
// effects are performed in order; requests are answered when an effect names them; and a tick comes
// when step() asked for one.
// Invariants:
//   BN1. An event that comes while effects are performed waits for its turn.
//   BN2. After stop() no tick comes any more; events of others still do.
import type { Clock, Timer } from '../common/clock.ts'
import type { Stimulus } from './client-link.ts'
import type { RayletState } from './state.ts'
import { step } from './step.ts'
import type { RayletEffect, RayletEvent } from './turn.ts'

/** What is left for the shell: answers to requests are given here. */
export type ShellEffect = Exclude<RayletEffect, { kind: 'answer' | 'refuse' }>

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

export class Brain {
  readonly #state: RayletState
  readonly #clock: Clock
  readonly #perform: (effect: ShellEffect) => void
  /** Events that effects of this step caused (BN1). */
  readonly #inbox: Stimulus[] = []
  /** Requests of connected clients that have no answer yet. */
  readonly #requests = new Map<number, Waiting>()
  #busy = false
  #nextRequest = 1
  #wake: Timer | undefined
  #wakeAtMs = Infinity

  constructor(state: RayletState, clock: Clock, perform: (effect: ShellEffect) => void) {
    this.#state = state
    this.#clock = clock
    this.#perform = perform
  }

  /** BN1. */
  tell(stimulus: Stimulus): void {
    this.#inbox.push(stimulus)
    if (this.#busy) return
    this.#busy = true
    try {
      let next = this.#inbox.shift()
      while (next !== undefined) {
        const event = { ...next, nowMs: this.#clock.monotonicMs() } as RayletEvent
        for (const effect of step(this.#state, event)) this.#performOne(effect)
        next = this.#inbox.shift()
      }
    } finally {
      this.#busy = false
    }
    this.#setWake()
  }

  /** Resolves when the brain answers the request number. */
  ask(stimulus: (request: number) => Stimulus): Promise<unknown> {
    const request = this.#nextRequest++
    return new Promise((resolve, reject) => {
      this.#requests.set(request, { resolve, reject })
      this.tell(stimulus(request))
    })
  }

  stop(): void {
    this.#state.leaving = true
    this.#wake?.cancel()
  }

  #performOne(effect: RayletEffect): void {
    if (effect.kind === 'answer') this.#take(effect.request)?.resolve(effect.value)
    else if (effect.kind === 'refuse') this.#take(effect.request)?.reject(effect.error)
    else this.#perform(effect)
  }

  #take(request: number): Waiting | undefined {
    const waiting = this.#requests.get(request)
    this.#requests.delete(request)
    return waiting
  }

  #setWake(): void {
    const { wakeAtMs, leaving } = this.#state
    if (wakeAtMs >= this.#wakeAtMs || leaving) return
    this.#wake?.cancel()
    this.#wakeAtMs = wakeAtMs
    const delayMs = Math.max(0, wakeAtMs - this.#clock.monotonicMs())
    this.#wake = this.#clock.after(Math.ceil(delayMs), () => {
      this.#wakeAtMs = Infinity
      this.tell({ kind: 'tick' })
    })
  }
}
