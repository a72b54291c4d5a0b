// Questions about many objects that go to other nodes together: who waits for thousands of objects
// asks as often as who waits for one.
// Invariants:
//   TG1. What is asked for in one turn goes at once, in one round; what is asked for until that is
//        answered, or GATHER_MS are over, goes in the next one, in which each object is once.
//   TG2. A round has IDS_MAX objects at most: the rest is next.
//   TG3. An answer is of a round that began after the object was asked for.
import type { Clock } from '../../common/clock.ts'

const GATHER_MS = 50
const IDS_MAX = 1_000

/** Objects of a round, each with what those who ask want to have heeded. */
export type Round<Heeded> = ReadonlyMap<string, readonly Heeded[]>

interface Question<Heeded, Answer> extends PromiseWithResolvers<Answer> {
  readonly heeded: Heeded[]
}

export class AskedTogether<Heeded, Answer> {
  readonly #clock: Pick<Clock, 'after' | 'immediate'>
  readonly #ask: (round: Round<Heeded>) => Promise<(objectId: string) => Answer>
  readonly #next = new Map<string, Question<Heeded, Answer>>()
  #isGathering = false

  /** @param ask  asks one round. @returns the answer for each object of it. */
  constructor(
    clock: Pick<Clock, 'after' | 'immediate'>,
    ask: (round: Round<Heeded>) => Promise<(objectId: string) => Answer>,
  ) {
    this.#clock = clock
    this.#ask = ask
  }

  find(objectId: string, heeded: Heeded): Promise<Answer> {
    const question = this.#next.get(objectId) ?? { heeded: [], ...Promise.withResolvers<Answer>() }
    question.heeded.push(heeded)
    this.#next.set(objectId, question)
    this.#begin()
    return question.promise
  }

  /** TG1. */
  #begin(): void {
    if (this.#isGathering || this.#next.size === 0) return
    this.#isGathering = true
    this.#clock.immediate(() => {
      let isOver = false
      const over = (): void => {
        if (isOver) return
        isOver = true
        timer.cancel()
        this.#isGathering = false
        this.#begin()
      }
      const timer = this.#clock.after(GATHER_MS, over)
      void this.#round().then(over)
    })
  }

  async #round(): Promise<void> {
    const round = new Map(this.#next.entries().take(IDS_MAX)) // TG2
    for (const objectId of round.keys()) this.#next.delete(objectId)
    try {
      const answerOf = await this.#ask(
        new Map([...round].map(([objectId, { heeded }]) => [objectId, heeded])),
      )
      for (const [objectId, { resolve }] of round) resolve(answerOf(objectId))
    } catch (error) {
      for (const { reject } of round.values()) reject(error)
    }
  }
}
