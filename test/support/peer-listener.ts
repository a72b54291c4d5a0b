// How a node listens on networks in memory, as PeerTransport has it: control messages at its
// address, bulk lanes at one beside it.
import type { Connection, Transport } from '../../runtime/protocol/connection.ts'
import { showAddress, type NodeIdentity } from '../../runtime/protocol/node-identity.ts'
import type { PeerConnection, PeerTransport } from '../../runtime/protocol/peer-transport.ts'
import { bulkAddressOf, bulkOver } from './bulk-over.ts'

/**
 * @param portOf  a free one for each call.
 * @param dialled  says who has made a connection to here, and may refuse it by a throw.
 */
export function peerListener(
  transport: Transport,
  { nodeId, epoch }: NodeIdentity,
  portOf: () => number,
  dialled: (connection: Connection) => PeerConnection,
): PeerTransport['listen'] {
  return async (_, onConnection, onBulk) => {
    const address = showAddress({ host: '127.0.0.1', port: portOf(), nodeId, epoch })
    const bulk = await transport.listen(bulkAddressOf(address), (connection) => {
      onBulk?.(bulkOver(dialled(connection)))
    })
    const control = await transport.listen(address, (connection) => {
      onConnection(dialled(connection))
    })
    return {
      address,
      close: async () => {
        await Promise.all([control.close(), bulk.close()])
      },
    }
  }
}
