// The producer's side of a streaming task: items go to the owner as they are made, never more than
// streamBufferSize ahead of what the consumer took.
import { TaskCancelledError } from '../common/errors.ts'
import type { ValueCodec } from '../protocol/value-codec.ts'
import type { PushedTask } from './pushed-task.ts'
import type { Handoffs } from './handoffs.ts'
import type { References } from './references.ts'
import type { ReplyWriter } from './reply-writer.ts'

export interface ProducerDeps {
  readonly codec: ValueCodec
  readonly replies: ReplyWriter
  readonly references: References
  readonly handoffs: Handoffs
  /** The stream is full. @returns what to call once it is not */
  full(task: PushedTask): () => void
}

export class StreamProducer {
  readonly #task: PushedTask
  readonly #deps: ProducerDeps
  #sent = 0
  #consumed = 0
  #stopped = false
  #wake: (() => void) | undefined

  constructor(task: PushedTask, deps: ProducerDeps) {
    this.#task = task
    this.#deps = deps
  }

  acknowledge(consumed: number): void {
    this.#consumed = Math.max(this.#consumed, consumed)
    this.#wake?.()
  }

  stop(): void {
    this.#stopped = true
    this.#wake?.()
  }

  /** Runs a generator to its end, item by item. */
  async run(items: AsyncIterable<unknown> | Iterable<unknown>): Promise<void> {
    for await (const item of items) {
      await this.#send(item)
      await this.#room()
      if (this.#stopped) throw new TaskCancelledError(`${this.#task.template.name} was cancelled`)
    }
  }

  async #send(item: unknown): Promise<void> {
    const { codec, replies, references, handoffs } = this.#deps
    const { peer, seq } = this.#task
    const index = this.#sent++
    const encoded = codec.encode(item, `item[${String(index)}]`)
    const handoff = handoffs.offer(peer, encoded.handles)
    try {
      const placed = await replies.place(this.#task, index + 1, encoded)
      await references.settled()
      const value = placed instanceof Uint8Array ? { blob: placed } : { stored: placed }
      peer.with((channel) => {
        channel.notify('streamItem', {
          seq,
          index,
          ...value,
          ...(handoff === undefined ? {} : { handoff }),
        })
      })
    } catch (error) {
      if (handoff !== undefined) handoffs.done(peer, handoff.id)
      throw error
    }
  }

  get #isFull(): boolean {
    const { streamBufferSize } = this.#task.template
    const ahead = this.#sent - this.#consumed
    return !this.#stopped && streamBufferSize > 0 && ahead >= streamBufferSize
  }

  /** Waits until it is not full any more. */
  async #read(): Promise<void> {
    const room = this.#deps.full(this.#task)
    while (this.#isFull) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    this.#wake = undefined
    room()
  }

  async #room(): Promise<void> {
    if (this.#isFull) await this.#read()
    const { peer } = this.#task
    while (peer.congested && !peer.closed && !this.#stopped) {
      await new Promise<void>((resolve) => {
        peer.whenDrained(this, resolve)
      })
    }
  }
}
