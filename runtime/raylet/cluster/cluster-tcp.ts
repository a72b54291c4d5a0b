// A raylet's part in a cluster of several nodes on one machine, over TCP and mutual TLS: its
// connections to the others, and the GCS: in the memory of the first node, or in tables.
import type { Clock } from '../../common/clock.ts'
import { UnsupportedMessageError } from '../../common/errors.ts'
import type { Log } from '../../common/log.ts'
import type { NodeCredentials } from '../../common/node-credentials.ts'
import type { Random } from '../../common/random.ts'
import { StorageHost } from '../../gcs/storage-host.ts'
import { MemoryStorage } from '../../gcs/storage-memory.ts'
import type { StorageCalls } from '../../gcs/storage-messages.ts'
import { RemoteStorage, type StorageLink } from '../../gcs/storage-remote.ts'
import type { Storage } from '../../gcs/storage.ts'
import { Channel } from '../../protocol/channel.ts'
import { tcpTransport } from '../../protocol/connection-tcp.ts'
import { PROTOCOL_VERSION } from '../../protocol/messages.ts'
import type { NodeIdentity } from '../../protocol/node-identity.ts'
import { isRefusedAsEnded } from '../../protocol/peer-hello.ts'
import { isNobodyThere, type PeerTransport } from '../../protocol/peer-transport.ts'
import type { ValueCodec } from '../../protocol/value-codec.ts'
import type { ClusterPorts } from './cluster-member.ts'
import { endedError } from './ended-error.ts'
import { EpochFence } from './epoch-fence.ts'
import { RefusedPeers } from './refused-peers.ts'

export interface ClusterTcpDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly codec: ValueCodec
  /** The process that held the GCS has ended, and all that was in its memory with it. */
  readonly gcsLost: () => void
}

export interface ClusterTcpOptions {
  readonly credentials: NodeCredentials
  /** HERE: this node holds it; else the address of the node that does, or the tables. */
  readonly gcs: string | Storage
}

export function openCluster(
  deps: ClusterTcpDeps,
  { credentials, gcs }: ClusterTcpOptions,
): { readonly cluster: ClusterPorts; readonly storage: Storage } {
  const refusals = new RefusedPeers(deps)
  const { cluster: name, nodeId, epoch, host } = credentials
  const fence = new EpochFence()
  const self = { cluster: name, nodeId, epoch }
  const transport = tcpTransport({
    credentials,
    rules: {
      self,
      protocol: { min: PROTOCOL_VERSION, max: PROTOCOL_VERSION },
      oldestEpoch: (id) => fence.oldestEpoch(id),
    },
    refused: (error, peer) => {
      refusals.refused(error, peer)
    },
  })
  const ports = { transport, listenAt: `${host}:0`, fence }
  if (typeof gcs !== 'string') {
    return { cluster: { ...ports, host: undefined, gcsOutlives: true }, storage: gcs }
  }
  if (gcs !== 'HERE') {
    const connect = (): Promise<StorageLink> => dialGcs(deps, transport, { self, address: gcs })
    return {
      cluster: { ...ports, host: undefined },
      storage: new RemoteStorage({ ...deps, connect }),
    }
  }
  const storage = new MemoryStorage()
  return { cluster: { ...ports, host: new StorageHost(storage) }, storage }
}

async function dialGcs(
  { clock, codec, gcsLost }: ClusterTcpDeps,
  transport: PeerTransport,
  { self, address }: { readonly self: NodeIdentity; readonly address: string },
): Promise<StorageLink> {
  const connection = await transport.connect(address).catch((error: unknown) => {
    if (isNobodyThere(error)) gcsLost()
    if (isRefusedAsEnded(error, self)) {
      throw endedError(self, 'the node that holds the GCS', error) // F08
    }
    throw error
  })
  const channel = new Channel<StorageCalls, Record<never, never>>(connection, { clock, codec })
  channel.start({
    notified: () => undefined,
    requested: (type) => {
      throw new UnsupportedMessageError(`this end only asks; it has no ${type}`)
    },
    closed: () => undefined,
  })
  return channel
}
