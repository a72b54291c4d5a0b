// Which templates a peer knows, as the owner of tasks counts them: what tasks have in common is
// sent once, and each push names its slot.
// Invariants:
//   TS1. A slot has one template at a time. The peer hears of it before the first push that names
//        it, on the same connection; what was pushed under an earlier one has that one.
//   TS2. There are at most TEMPLATES_PER_PEER_MAX slots: then the one given longest ago is given
//        anew. A program that names every task would else leave a template of each at its workers.
import { TEMPLATES_PER_PEER_MAX } from '../common/limits.ts'
import type { TaskTemplate } from '../protocol/peer-messages.ts'
import { capturedBy } from './captured.ts'
import type { PeerChannel } from './peers.ts'
import type { TaskKind } from './task-kind.ts'

interface Slot {
  readonly index: number
  /** False once another template has it. */
  holds: boolean
}

export class TemplateSlots {
  /** Weak: a kind holds the handle of its actor, and this peer may live as long as the actor. */
  readonly #byKind = new WeakMap<TaskKind, Slot>()
  /** Kinds made again (a handle decoded per task, options per call) share the slot of their like.
   *  In the order they were given. */
  readonly #byContent = new Map<string, Slot>()

  /** The slot of a kind's template; the peer is told of one that it does not know. */
  slotOf(channel: Pick<PeerChannel, 'notify'>, kind: TaskKind): number {
    const known = this.#byKind.get(kind)
    if (known?.holds === true) return known.index
    const template = templateOf(kind)
    const content = JSON.stringify(template)
    let slot = this.#byContent.get(content)
    if (slot === undefined) {
      slot = { index: this.#freeIndex(), holds: true }
      this.#byContent.set(content, slot)
      channel.notify('template', { slot: slot.index, template })
    }
    this.#byKind.set(kind, slot)
    return slot.index
  }

  #freeIndex(): number {
    if (this.#byContent.size < TEMPLATES_PER_PEER_MAX) return this.#byContent.size
    const [content, oldest] = this.#byContent.entries().next().value as [string, Slot]
    this.#byContent.delete(content)
    oldest.holds = false
    return oldest.index
  }
}

export function templateOf(kind: TaskKind): TaskTemplate {
  return {
    kind: kind.kind,
    fn: kind.identity(),
    name: kind.name,
    jobId: kind.jobId(),
    numReturns: kind.numReturns,
    streaming: kind.streaming,
    streamBufferSize: kind.streamBufferSize,
    reportStart: kind.timeoutMs !== undefined,
    resources: kind.resources,
    ...(kind.method === undefined ? {} : { method: kind.method }),
    ...(kind.actorId === undefined ? {} : { actorId: kind.actorId }),
    ...(kind.timeoutMs === undefined ? {} : { timeoutMs: kind.timeoutMs }),
    ...(kind.maxCalls === undefined ? {} : { maxCalls: kind.maxCalls }),
    ...(kind.limit === undefined ? {} : { limit: kind.limit.name }),
    ...(kind.concurrencyGroup === undefined ? {} : { concurrencyGroup: kind.concurrencyGroup }),
    ...capturedBy(kind.scheduling?.strategy),
    ...(kind.ofDetached === true ? { ofDetached: true } : {}),
  }
}
