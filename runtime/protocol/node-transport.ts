// How processes of a cluster of several nodes reach each other: on one node through their sockets,
// from another over TCP, at one address that says both: HOST:PORT/NODE/EPOCH@SOCKET.
//   NT1. Who dials decides by the node in the address which of the two it takes; an address without
//        a node is one of this machine, as in a cluster of one node.
import type { Transport } from './connection.ts'
import { nodeAddressOf } from './node-identity.ts'
import type { PeerTransport } from './peer-transport.ts'

export interface NodeTransports {
  /** Between processes of this node. */
  readonly local: Transport
  /** Between nodes. */
  readonly remote: PeerTransport
  /** Where this process listens for other nodes: HOST:PORT. */
  readonly listenAt: string
  /** This node, in hex. */
  readonly nodeId: string
}

export function nodeTransport({ local, remote, listenAt, nodeId }: NodeTransports): Transport {
  return {
    listen: async (socket, onConnection) => {
      const near = await local.listen(socket, onConnection)
      const far = await remote.listen(listenAt, onConnection)
      return {
        address: `${far.address}@${near.address}`,
        close: async () => {
          await Promise.all([near.close(), far.close()])
        },
      }
    },
    connect: (address) => {
      const split = splitAddress(address)
      if (split === undefined) return local.connect(address)
      const { node, socket } = split
      return nodeAddressOf(node).nodeId === nodeId ? local.connect(socket) : remote.connect(node)
    },
  }
}

/** NT1. Sockets are paths, and begin with a slash. */
function splitAddress(
  address: string,
): { readonly node: string; readonly socket: string } | undefined {
  const at = address.startsWith('/') ? -1 : address.indexOf('@')
  return at <= 0 ? undefined : { node: address.slice(0, at), socket: address.slice(at + 1) }
}
