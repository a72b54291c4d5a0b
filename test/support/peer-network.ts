// The twin of TCP between nodes: connections in memory whose ends know each other, on a network
// whose nodes can be killed.
import type { Clock } from '../../runtime/common/clock.ts'
import { nodeAddressOf, type NodeIdentity } from '../../runtime/protocol/node-identity.ts'
import type { Connection } from '../../runtime/protocol/connection.ts'
import type { PeerConnection, PeerTransport } from '../../runtime/protocol/peer-transport.ts'
import { bulkAddressOf, bulkOver } from './bulk-over.ts'
import { FaultyNetwork, type FaultyEnd } from './faulty-network.ts'
import { peerListener } from './peer-listener.ts'

export class PeerNetwork {
  readonly #network: FaultyNetwork
  readonly #dead = new Set<string>()
  #dialler: NodeIdentity | undefined
  #nextPort = 1

  constructor(clock: Clock) {
    this.#network = new FaultyNetwork({ clock })
  }

  /** The network as the node `self` sees it. */
  transportOf(self: NodeIdentity): PeerTransport {
    const transport = this.#network.transportOf(self.nodeId)
    const connect = async (address: string, at: string): Promise<PeerConnection> => {
      const { nodeId, epoch } = nodeAddressOf(address)
      if (this.#dead.has(nodeId)) {
        throw Object.assign(new Error(`no ${nodeId}`), { code: 'ECONNREFUSED' })
      }
      this.#dialler = self // the other end is made before `connect` returns
      const made = (await transport.connect(at)) as FaultyEnd
      return withPeer(made, { ...self, nodeId, epoch })
    }
    const dialled = (connection: Connection): PeerConnection => {
      const peer = this.#dialler
      if (peer === undefined) throw new Error('a connection of nobody')
      return withPeer(connection as FaultyEnd, peer)
    }
    return {
      listen: peerListener(transport, self, () => this.#nextPort++, dialled),
      connect: (address) => connect(address, address),
      connectBulk: async (address) => bulkOver(await connect(address, bulkAddressOf(address))),
    }
  }

  /** Its process ends as by SIGKILL: its connections close, and nobody listens there any more. */
  kill(nodeId: string): void {
    this.#dead.add(nodeId)
    this.#network.kill(nodeId)
  }
}

const withPeer = (connection: FaultyEnd, peer: NodeIdentity): PeerConnection =>
  Object.assign(connection, { peer })
