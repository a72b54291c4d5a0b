// What map() takes its inputs from: asked for one at a time, and by nobody waited for once it is no
// longer wanted. A source may have nothing to say for ever.
import { UsageError } from '../runtime/common/errors.ts'
import { showValue } from '../runtime/common/show-value.ts'

export type Inputs<T = unknown> = Iterable<T> | AsyncIterable<T>

export class Source<T> {
  readonly #iterator: Iterator<T> | AsyncIterator<T>
  /** Called when what was asked is answered. */
  readonly #onAnswer: () => void
  /** From ask() to take(). */
  asked: Promise<IteratorResult<T>> | undefined
  /** Whether take() has to wait for nothing. */
  answered = false
  ended = false

  constructor(values: Inputs<T>, onAnswer: () => void = () => undefined) {
    this.#iterator =
      Symbol.asyncIterator in values ? values[Symbol.asyncIterator]() : values[Symbol.iterator]()
    this.#onAnswer = onAnswer
  }

  /** Asks for the next input, unless one is asked for or there are no more. */
  ask(): void {
    if (this.ended || this.asked !== undefined) return
    this.answered = false
    this.asked = Promise.resolve(this.#iterator.next())
    const answer = (): void => {
      this.answered = true
      this.#onAnswer()
    }
    this.asked.then(answer, answer) // an error is told by take()
  }

  /** The answer to ask(). @throws what the source threw */
  async take(): Promise<IteratorResult<T>> {
    const { asked } = this
    this.asked = undefined
    this.answered = false
    if (asked === undefined) return { done: true, value: undefined }
    try {
      const input = await asked
      this.ended = input.done === true
      return input
    } catch (error) {
      this.ended = true
      throw error
    }
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    if (this.ended) return
    const closing = Promise.resolve(this.#iterator.return?.())
    // A generator hears of it only once it has answered, which may be never.
    if (this.asked === undefined || this.answered) await closing
    else closing.catch(() => undefined)
  }
}

/** @throws UsageError for what cannot be iterated. */
export function checkInputs(inputs: unknown): Inputs {
  if (isIterable(inputs, Symbol.asyncIterator) || isIterable(inputs, Symbol.iterator)) {
    return inputs as Inputs
  }
  throw new UsageError(
    `map() takes an iterable or async iterable of inputs, got ${showValue(inputs)}`,
  )
}

export function isIterable(value: unknown, by: symbol): boolean {
  if (value === null || value === undefined) return false
  return typeof (Object(value) as Record<symbol, unknown>)[by] === 'function'
}
