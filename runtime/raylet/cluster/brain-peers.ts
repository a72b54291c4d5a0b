// What brains ask of each other, performed: it goes to the raylet of that node and, where this node
// is the one that is asked, to its own brain. One for each family of messages.
import { toHex } from '../../common/ids.ts'
import type { Brain } from '../brain.ts'
import type { Stimulus } from '../client-link.ts'
import type { RayletState } from '../state.ts'
import type { EventOf } from '../turn.ts'
import type { ClusterMember } from './cluster-member.ts'
import type { PeerMessage, PeerRayletCalls } from './peer-raylet-messages.ts'

export interface BrainPeersDeps {
  readonly member: Pick<ClusterMember, 'ask'>
  readonly brain: Brain
  readonly state: RayletState
}

export interface BrainPeersOptions {
  readonly asked: 'waitsAsked' | 'tokensAsked'
  readonly answered: 'waitsAnswered' | 'tokensAnswered'
  /** A node that takes longer is taken for one that is away; what must arrive is asked again. */
  readonly limitMs: number
}

type AnsweredCall = EventOf<BrainPeersOptions['answered']>['type']
type Asked = Pick<PeerMessage, 'from' | 'type' | 'message'>

export class BrainPeers {
  readonly #deps: BrainPeersDeps
  readonly #options: BrainPeersOptions

  constructor(deps: BrainPeersDeps, options: BrainPeersOptions) {
    this.#deps = deps
    this.#options = options
  }

  perform(effect: {
    readonly nodeId: string
    readonly type: AnsweredCall
    readonly message: PeerRayletCalls[AnsweredCall][0]
  }): void {
    const { brain, member, state } = this.#deps
    const { answered: kind, limitMs } = this.#options
    const { nodeId, type, message } = effect
    const isHere = nodeId === toHex(state.config.nodeId)
    const asked = isHere
      ? this.requested({ from: nodeId, type, message })
      : member.ask(nodeId, type, message, limitMs)
    const answered = (answer: unknown): void => {
      brain.tell({ kind, nodeId, type, message, answer } as Stimulus)
    }
    asked.then(answered, () => {
      answered(undefined) // it is away
    })
  }

  requested({ from, type, message }: Asked): Promise<object> {
    const { asked: kind } = this.#options
    const asked = this.#deps.brain.ask((request) => {
      return { kind, from, request, type, message } as Stimulus
    })
    return asked as Promise<object>
  }
}
