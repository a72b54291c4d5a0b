// The transport of a process of a node of several: what it has on one node, and TCP to the others,
// under the certificate of its node.
//   PT1. A node that dies, or is cut off, as it dials is no news for a program's user.
import type { NodeCredentials } from '../common/node-credentials.ts'
import { isSilence, tcpTransport } from './connection-tcp.ts'
import type { Transport } from './connection.ts'
import { PROTOCOL_VERSION } from './messages.ts'
import { nodeTransport } from './node-transport.ts'

export function processTransport(
  local: Transport,
  credentials: NodeCredentials,
  refused: (error: Error) => void,
): Transport {
  const { cluster, nodeId, epoch, host } = credentials
  const remote = tcpTransport({
    credentials,
    rules: {
      self: { cluster, nodeId, epoch },
      protocol: { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION },
      // Leases and calls of an epoch that is over are refused where they are looked up.
      oldestEpoch: () => 0,
    },
    refused: (error) => {
      if (!isSilence(error)) refused(error) // PT1
    },
  })
  return nodeTransport({ local, remote, listenAt: `${host}:0`, nodeId })
}
