// Who a node is to its peers: a cluster, a node and the epoch of that node's life; and the two texts
// that carry it.
//   NI1. An address names one node in one epoch, not a machine: who listens there later under
//        another name is another node (F09).
//   NI2. Text from outside is read whole or refused: nothing is trimmed, guessed or left over.
import { UsageError } from '../common/errors.ts'

export interface NodeIdentity {
  /** The cluster's name: letters, digits, `.`, `_` and `-`. */
  readonly cluster: string
  /** Hex. */
  readonly nodeId: string
  readonly epoch: number
}

/** Where to dial, and who must answer there. */
export interface NodeAddress {
  readonly host: string
  readonly port: number
  readonly nodeId: string
  readonly epoch: number
}

const URI = /^virga:\/\/cluster\/([\w.-]{1,128})\/node\/([\da-f]{2,64})\/epoch\/(\d{1,15})$/
const ADDRESS = /^(?:\[([\da-f:.]+)\]|([^[\]/:]+)):(\d{1,5})\/([\da-f]{2,64})\/(\d{1,15})$/i
const NODE_OF_PROCESS = /^[^/@]+\/([\da-f]{2,64})\/(\d{1,15})@/
const HOST_AND_PORT = /^(?:\[([\da-f:.]+)\]|([^[\]/:]+)):(\d{1,5})$/i

/** What stands in a certificate as subject alternative name. */
export const identityUri = ({ cluster, nodeId, epoch }: NodeIdentity): string =>
  `virga://cluster/${cluster}/node/${nodeId}/epoch/${String(epoch)}`

/** The reverse of identityUri, or undefined (NI2). */
export function findIdentity(uri: string): NodeIdentity | undefined {
  const found = URI.exec(uri)
  if (found === null) return undefined
  const [, cluster = '', nodeId = '', epoch = ''] = found
  return { cluster, nodeId, epoch: Number(epoch) }
}

/** `10.0.0.7:4600/3f…/2`, with `[…]` around an IPv6 host. */
export const showAddress = ({ host, port, nodeId, epoch }: NodeAddress): string =>
  `${host.includes(':') ? `[${host}]` : host}:${String(port)}/${nodeId}/${String(epoch)}`

/** @throws UsageError when the text is no address of a node (NI2). */
export function nodeAddressOf(text: string): NodeAddress {
  const [, ipv6, host, port = '', nodeId = '', epoch = ''] = ADDRESS.exec(text) ?? []
  if (!isPort(port)) {
    throw new UsageError(
      `${JSON.stringify(text)} is no address of a node: give HOST:PORT/NODE/EPOCH, as its row has it`,
    )
  }
  return { host: ipv6 ?? host ?? '', port: Number(port), nodeId, epoch: Number(epoch) }
}

/** The node, in hex, in the address of a process: HOST:PORT/NODE/EPOCH@SOCKET. Undefined in that of
 *  one whose cluster is one node. */
export function nodeIdIn(address: string): string | undefined {
  if (address.startsWith('/')) return undefined
  return NODE_OF_PROCESS.exec(address)?.[1]
}

/** The epoch of that node. Undefined where it has none. */
export function epochIn(address: string): number | undefined {
  const epoch = NODE_OF_PROCESS.exec(address)?.[2]
  return epoch === undefined ? undefined : Number(epoch)
}

/** Where to listen; port 0 takes a free one. @throws UsageError */
export function hostAndPortOf(text: string): { readonly host: string; readonly port: number } {
  const [, ipv6, host, port = ''] = HOST_AND_PORT.exec(text) ?? []
  if (!isPort(port)) {
    throw new UsageError(
      `${JSON.stringify(text)} is nowhere to listen: give HOST:PORT, port 0 for a free one`,
    )
  }
  return { host: ipv6 ?? host ?? '', port: Number(port) }
}

const isPort = (text: string): boolean => text !== '' && Number(text) <= 65_535

/** `node 3f… (cluster prod, epoch 2)`, for messages. */
export const showIdentity = ({ cluster, nodeId, epoch }: NodeIdentity): string =>
  `node ${nodeId} (cluster ${cluster}, epoch ${String(epoch)})`
