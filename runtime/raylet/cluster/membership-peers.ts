// What the memberships of nodes (gcs/member.ts) say to each other, over the connections of their
// raylets: both ends of it.
// Invariants:
//   MN1. Who has joined is seen by all who can be reached, not at their next heartbeat: it pings
//        them with its row, which nobody need read then. Whoever is pinged by a stranger without it
//        looks who that is. Both answer once that node is a member for their raylet too.
//   MN2. Who starts a dead node's actors again tells all others first that it is dead. They answer
//        when word of it is on its way to their processes: whoever calls an actor there soon stops.
import { VirgaError } from '../../common/errors.ts'
import type { Log } from '../../common/log.ts'
import { listOf, number, shape } from '../../common/shape.ts'
import type { MemberPeers, Membership } from '../../gcs/member.ts'
import type { Announcement } from '../../gcs/membership-changes.ts'
import type { Seen } from '../../gcs/membership-view.ts'
import { nodeRow } from '../../gcs/nodes.ts'
import type { Suspicion } from '../../gcs/watcher.ts'
import { isNobodyThere } from '../../protocol/peer-transport.ts'
import type { PeerNode, PeerRaylets } from './peer-raylets.ts'
import type { PeerMessage, PeerRayletCalls } from './peer-raylet-messages.ts'

export const PING_LIMIT_MS = 1_000
/** Two are asked (AN3): who leaves tables has some time left then to do it itself. */
const ANNOUNCE_LIMIT_MS = 1_000
const SEEN_LIMIT_MS = 1_000
const NOTHING_SEEN: Seen = { version: -1, nodes: [] }
const isSeen = shape({ version: number, nodes: listOf(nodeRow) })

const CALLS = ['ping', 'members', 'announce', 'nodeDied'] as const
export type MembershipCall = (typeof CALLS)[number]

export const isMembershipCall = (type: string): type is MembershipCall =>
  (CALLS as readonly string[]).includes(type)

/** The end that asks. */
export class MembershipPeers implements MemberPeers {
  readonly #peers: Pick<PeerRaylets, 'ask' | 'notify'>
  readonly #log: Log

  constructor(peers: Pick<PeerRaylets, 'ask' | 'notify'>, log: Log) {
    this.#peers = peers
    this.#log = log
  }

  async ping(node: PeerNode): Promise<'PONG' | 'REFUSED' | 'SILENT'> {
    try {
      await this.#peers.ask(node, 'ping', {}, PING_LIMIT_MS)
      return 'PONG'
    } catch (error) {
      return isNobodyThere(error) ? 'REFUSED' : 'SILENT'
    }
  }

  tell(node: PeerNode, suspicion: Suspicion): void {
    this.#peers.notify(node, 'suspicion', suspicion)
  }

  async seen(node: PeerNode): Promise<Seen | undefined> {
    try {
      const seen = await this.#peers.ask(node, 'members', {}, SEEN_LIMIT_MS)
      if (isSeen(seen)) return seen
      throw new VirgaError(`node ${node.nodeId} sent rows of nodes that are none`)
    } catch (error) {
      const why = { at: node.nodeId, error: String(error) }
      this.#log.info('another node did not say whom it sees', why)
      return undefined
    }
  }

  async announce(node: PeerNode, announcement: Announcement): Promise<boolean> {
    try {
      await this.#peers.ask(node, 'announce', announcement, ANNOUNCE_LIMIT_MS)
      return true
    } catch (error) {
      const why = { at: node.nodeId, error: String(error) }
      this.#log.info('another node did not announce it', { ...announcement, ...why })
      return false
    }
  }
}

/**
 * The end that answers.
 * @param membership  undefined while this node registers.
 * @param isKnown     whether that node is among the living that this one sees.
 * @throws VirgaError where somebody else must do it.
 */
export async function answerMembership(
  type: MembershipCall,
  { from, message }: PeerMessage,
  membership: Membership | undefined,
  isKnown: (nodeId: string) => boolean,
): Promise<unknown> {
  switch (type) {
    case 'ping': {
      const { newcomer } = message as PeerRayletCalls['ping'][0]
      if (newcomer?.nodeId === from) await membership?.met(newcomer)
      else if (!isKnown(from)) await membership?.look()
      return undefined
    }
    case 'nodeDied':
      if (membership === undefined) throw new VirgaError('this node is not a member yet')
      membership.heardDead(message as PeerRayletCalls['nodeDied'][0])
      return undefined
    case 'members':
      return membership?.seen() ?? NOTHING_SEEN
    case 'announce':
      if (membership === undefined) throw new VirgaError('this node is not a member yet')
      await membership.announce(message as Announcement)
      return undefined
  }
}
