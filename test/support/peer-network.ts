// The twin of TCP between nodes: connections in memory whose ends know each other, on a network
// whose nodes can be killed.
import type { Clock } from '../../runtime/common/clock.ts'
import {
  showAddress,
  nodeAddressOf,
  type NodeIdentity,
} from '../../runtime/protocol/node-identity.ts'
import type { PeerConnection, PeerTransport } from '../../runtime/protocol/peer-transport.ts'
import { FaultyNetwork, type FaultyEnd } from './faulty-network.ts'

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
    return {
      listen: (_, onConnection) => {
        const { nodeId, epoch } = self
        const address = showAddress({ host: '127.0.0.1', port: this.#nextPort++, nodeId, epoch })
        return transport.listen(address, (connection) => {
          const peer = this.#dialler
          if (peer === undefined) throw new Error('a connection of nobody')
          onConnection(withPeer(connection as FaultyEnd, peer))
        })
      },
      connect: (address) => {
        const { nodeId, epoch } = nodeAddressOf(address)
        if (this.#dead.has(nodeId)) {
          return Promise.reject(Object.assign(new Error(`no ${nodeId}`), { code: 'ECONNREFUSED' }))
        }
        this.#dialler = self // the other end is made before `connect` returns
        return transport
          .connect(address)
          .then((made) => withPeer(made as FaultyEnd, { ...self, nodeId, epoch }))
      },
    }
  }

  /** Its process ends as by SIGKILL: its connections close, and nobody listens there any more. */
  kill(nodeId: string): void {
    this.#dead.add(nodeId)
    this.#network.kill(nodeId)
  }
}

const withPeer = (connection: FaultyEnd, peer: NodeIdentity): PeerConnection =>
  Object.assign(connection, { peer, lane: 'control' as const })
