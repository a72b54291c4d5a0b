// Messages about tasks that wait, performed: what the brain asks of other raylets goes to them, and
// of this one, when it is the detector, to itself.
import { toHex } from '../../common/ids.ts'
import type { Brain } from '../brain.ts'
import type { ClusterMember } from '../cluster/cluster-member.ts'
import type { PeerMessage } from '../cluster/peer-raylet-messages.ts'
import type { RayletState } from '../state.ts'
import type { WaitEffect } from './wait-events.ts'
import type { WaitCall, WaitCalls } from './wait-messages.ts'

/** A node that takes longer is taken for one that is away; what must arrive is asked again. */
const ASK_LIMIT_MS = 5_000

export interface WaitPeersDeps {
  readonly member: Pick<ClusterMember, 'ask'>
  readonly brain: Brain
  readonly state: RayletState
}

type Asked = Pick<PeerMessage, 'from' | 'type' | 'message'>

export class WaitPeers {
  readonly #deps: WaitPeersDeps

  constructor(deps: WaitPeersDeps) {
    this.#deps = deps
  }

  perform({ nodeId, type, message }: WaitEffect): void {
    const { brain, member, state } = this.#deps
    const isHere = nodeId === toHex(state.config.nodeId)
    const asked = isHere
      ? this.requested({ from: nodeId, type, message })
      : member.ask(nodeId, type, message, ASK_LIMIT_MS)
    const answered = (answer: unknown): void => {
      brain.tell({
        ...{ kind: 'waitsAnswered', nodeId, type, message },
        answer: answer as WaitCalls[WaitCall][1] | undefined,
      })
    }
    asked.then(answered, () => {
      answered(undefined) // it is away
    })
  }

  requested({ from, type, message }: Asked): Promise<object> {
    const asked = this.#deps.brain.ask((request) => ({
      ...{ kind: 'waitsAsked', from, request, type: type as WaitCall },
      message: message as WaitCalls[WaitCall][0],
    }))
    return asked as Promise<object>
  }
}
