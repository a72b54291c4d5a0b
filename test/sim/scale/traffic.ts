// What simulated raylets say to each other, counted: messages by kind, and bytes of gossip by node
// and second. Bytes are those of the value codec, in which control messages travel; of messages
// that are alike but for numbers one in SAMPLED is encoded.
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import type { GossipMessage } from '../../../runtime/scheduling/gossip.ts'
import type { VirtualTime } from './virtual-time.ts'

const codec = new ValueCodec()

export class Traffic {
  readonly messages = new Map<string, number>()
  /** By node, in the second that runs. */
  readonly #second = new Map<string, number>()
  /** Pairs of nodes that have a connection, as the one that dialled has it. */
  readonly #partners = new Map<string, Set<string>>()
  readonly #time: VirtualTime
  #secondAt = 0
  #gossipBytes = 0
  #gossipBytesMax = 0
  #entryBytes: number | undefined
  #knownBytes: number | undefined

  constructor(time: VirtualTime) {
    this.#time = time
  }

  sent(from: string, to: string, type: string, message: object): void {
    this.messages.set(type, (this.messages.get(type) ?? 0) + 1)
    const partners = this.#partners.get(from)
    if (partners === undefined) this.#partners.set(from, new Set([to]))
    else partners.add(to)
    if (type === 'gossip') this.#countGossip(from, message as GossipMessage)
  }

  /** Of all nodes together. */
  get gossipBytes(): number {
    return this.#gossipBytes
  }

  /** Of one node in one second, at most. */
  get gossipBytesMax(): number {
    return this.#gossipBytesMax
  }

  /** Nodes that a node has dialled, at most and on average. */
  get partners(): { readonly max: number; readonly mean: number } {
    const counts = [...this.#partners.values()].map(({ size }) => size)
    const sum = counts.reduce((total, count) => total + count, 0)
    return { max: Math.max(0, ...counts), mean: sum / Math.max(1, counts.length) }
  }

  #countGossip(from: string, message: GossipMessage): void {
    const bytes = this.#sizeOf(message)
    const second = Math.floor(this.#time.monotonicMs() / 1_000)
    if (second !== this.#secondAt) {
      this.#secondAt = second
      this.#second.clear()
    }
    const inSecond = (this.#second.get(from) ?? 0) + bytes
    this.#second.set(from, inSecond)
    this.#gossipBytes += bytes
    this.#gossipBytesMax = Math.max(this.#gossipBytesMax, inSecond)
  }

  /** All loads of the cluster are alike: one of them was measured. */
  #sizeOf(message: GossipMessage): number {
    if (message.kind === 'loads') {
      this.#entryBytes ??= perEntry(message.loads, (loads) => ({ kind: 'loads', loads }))
      return message.loads.length * this.#entryBytes
    }
    if (message.known.length === 0) return 0
    this.#knownBytes ??= perEntry(message.known, (known) => ({ kind: 'digest', known }))
    return message.known.length * this.#knownBytes
  }
}

function perEntry<T>(
  entries: readonly T[],
  message: (some: readonly T[]) => GossipMessage,
): number {
  const many = Array.from({ length: 32 }, (_, i) => entries[i % entries.length] as T)
  return codec.encode(message(many), 'gossip').sizeBytes / many.length
}
