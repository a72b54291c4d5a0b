// Connections between nodes, as a port: whoever is at the other end has proved which node it is, in
// which epoch of its life, before anything of it is heard.
//   connection-tcp.ts   TCP under mutual TLS
//   test/support/peer-network.ts   the twin in memory
import type { BulkConnection } from './bulk.ts'
import type { Connection, Listener, Transport } from './connection.ts'
import type { NodeIdentity } from './node-identity.ts'

/** A connection whose other end is known. */
export interface PeerConnection extends Connection {
  readonly peer: NodeIdentity
}

export interface PeerTransport extends Transport {
  /**
   * @param address  HOST:PORT; the listener's own address has this node and its epoch behind it.
   * @param onConnection  gets those for control messages.
   * @param onBulk  gets those for bytes in bulk; without it, they are refused.
   */
  listen(
    address: string,
    onConnection: (connection: PeerConnection) => void,
    onBulk?: (connection: BulkConnection) => void,
  ): Promise<Listener>
  /**
   * @param address  HOST:PORT/NODE/EPOCH
   * @throws PeerRefusedError when either side refuses the other; an error of the code ECONNREFUSED
   *   when that machine says that nobody listens there.
   */
  connect(address: string): Promise<PeerConnection>
  /** The same, for bytes in bulk. */
  connectBulk(address: string): Promise<BulkConnection>
}

/** Whether the machine itself said that nobody listens: a process that was there has ended. */
export const isNobodyThere = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED'
