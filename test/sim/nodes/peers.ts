// Connections between the raylets of a simulated cluster: the PeerTransport port on the simulated
// network. Who is at the other end is certain, as certificates make it; whether that epoch may
// still speak, both ends judge by the real rules of the hello.
import type { Connection } from '../../../runtime/protocol/connection.ts'
import { PROTOCOL_VERSION } from '../../../runtime/protocol/messages.ts'
import { nodeAddressOf, type NodeIdentity } from '../../../runtime/protocol/node-identity.ts'
import { judgePeer, refusedError, type PeerRules } from '../../../runtime/protocol/peer-hello.ts'
import type { PeerConnection, PeerTransport } from '../../../runtime/protocol/peer-transport.ts'
import type { EpochFence } from '../../../runtime/raylet/cluster/epoch-fence.ts'
import { bulkAddressOf, bulkOver } from '../../support/bulk-over.ts'
import { peerListener } from '../../support/peer-listener.ts'
import type { End, SimNetwork } from '../network.ts'
import type { SimProcess } from '../process.ts'

const PROTOCOL = { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION }

export class SimPeers {
  readonly #network: SimNetwork
  readonly #rules = new Map<SimProcess, PeerRules>()
  #nextPort = 1

  constructor(network: SimNetwork) {
    this.#network = network
  }

  transportOf(process: SimProcess, self: NodeIdentity, fence: EpochFence): PeerTransport {
    const rules = { self, protocol: PROTOCOL, oldestEpoch: (id: string) => fence.oldestEpoch(id) }
    this.#rules.set(process, rules)
    const transport = this.#network.transport(process)
    const connect = async (address: string, at: string): Promise<PeerConnection> => {
      const made = (await transport.connect(at)) as End
      const answerer = this.#rulesOf(made)
      this.#judge(rules, answerer, address, made)
      return asPeer(made, answerer.self)
    }
    const dialled = (made: Connection): PeerConnection =>
      asPeer(made as End, this.#rulesOf(made as End).self)
    return {
      listen: peerListener(transport, self, () => this.#nextPort++, dialled),
      connect: (address) => connect(address, address),
      connectBulk: async (address) => bulkOver(await connect(address, bulkAddressOf(address))),
    }
  }

  #rulesOf({ far }: End): PeerRules {
    const rules = far && this.#rules.get(far.process)
    if (rules === undefined) throw new Error('no raylet is at the other end')
    return rules
  }

  /** Each end judges the other. @throws PeerRefusedError */
  #judge(dialler: PeerRules, answerer: PeerRules, address: string, made: End): void {
    const to = nodeAddressOf(address)
    const hello = { protocol: PROTOCOL, lane: 'control' } as const
    const back = { ...hello, from: answerer.self, to: dialler.self }
    const refusal =
      judgePeer(answerer, { ...hello, from: dialler.self, to }, dialler.self) ??
      judgePeer(dialler, back, answerer.self)
    if (refusal === undefined) return
    made.close()
    throw refusedError(refusal)
  }
}

const asPeer = (connection: End, peer: NodeIdentity): PeerConnection =>
  Object.assign(connection, { peer })
