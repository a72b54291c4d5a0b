// Placement groups between nodes, performed: what the brain asks of other raylets goes to them,
// what they ask comes to the brain, and answers go back with what is free here.
import type { NodeLoad } from '../../scheduling/cluster-view.ts'
import type { Brain } from '../brain.ts'
import type { ClusterMember } from '../cluster/cluster-member.ts'
import { GroupRows, type GroupRowsDeps } from './group-rows.ts'
import type { GroupCall, GroupCalls } from './group-messages.ts'
import type { PeerMessage } from '../cluster/peer-raylet-messages.ts'
import type { GroupEffect } from './group-events.ts'

/** A node that takes longer to prepare is taken for one that refuses. */
const ASK_LIMIT_MS = 5_000

export interface GroupPeersDeps extends GroupRowsDeps {
  readonly member: ClusterMember
  readonly brain: Brain
  readonly ownLoad: (to: string) => NodeLoad
}

export class GroupPeers {
  readonly #deps: GroupPeersDeps
  readonly #rows: GroupRows
  /** Connections by which bundles were asked for. */
  readonly #links = new Set<number>()

  constructor(deps: GroupPeersDeps) {
    this.#deps = deps
    this.#rows = new GroupRows(deps, (stimulus) => {
      deps.brain.tell(stimulus)
    })
  }

  stop(): void {
    this.#rows.close()
  }

  perform(effect: GroupEffect): void {
    if (effect.kind === 'askGroup') void this.#ask(effect)
    else this.#rows.perform(effect)
  }

  async requested({ from, type, message, link }: PeerMessage): Promise<object> {
    if (type === 'prepareBundles') this.#links.add(link.id)
    const reply = await this.#deps.brain.ask((request) => ({
      ...{ kind: 'groupAsked', from, link: link.id, request, type: type as GroupCall },
      message: message as GroupCalls[GroupCall][0],
    }))
    const hasLoad = type === 'prepareBundles' || type === 'returnBundles'
    return { ...(reply as object), ...(hasLoad ? { load: this.#deps.ownLoad(from) } : {}) }
  }

  linkClosed(link: number): void {
    if (this.#links.delete(link)) this.#deps.brain.tell({ kind: 'groupLinkClosed', link })
  }

  async #ask(effect: Extract<GroupEffect, { kind: 'askGroup' }>): Promise<void> {
    const { key, nodeId, type, message } = effect
    const answer = await this.#deps.member
      .ask(nodeId, type, message as never, ASK_LIMIT_MS)
      .catch(() => undefined) // it is away: what must arrive is asked again
    this.#deps.brain.tell({ kind: 'groupAnswered', key, nodeId, type, message, answer })
  }
}
