// Nodes with certificates of a cluster's authority, for tests of what nodes say to each other.
import {
  issueCertificate,
  newAuthority,
  newNodeKey,
  type Authority,
} from '../../runtime/protocol/certificates-system.ts'
import type { TcpOptions } from '../../runtime/protocol/connection-tcp.ts'
import type { NodeIdentity } from '../../runtime/protocol/node-identity.ts'

const HOUR_MS = 3_600_000

export const validNow = (): { fromMs: number; untilMs: number } => ({
  fromMs: Date.now() - HOUR_MS,
  untilMs: Date.now() + HOUR_MS,
})

/** The authority of the cluster that nodes are of unless a test says otherwise. */
export const prodAuthority = newAuthority('prod', validNow())

export interface CertifiedNode {
  readonly identity: NodeIdentity
  readonly credentials: TcpOptions['credentials']
}

export function certifiedNode(
  changes: Partial<NodeIdentity> = {},
  authority: Authority = prodAuthority,
  validity = validNow(),
): CertifiedNode {
  const identity = { cluster: 'prod', nodeId: '3fab', epoch: 1, ...changes }
  const { publicKey, privateKey } = newNodeKey()
  const certificate = issueCertificate(authority, identity, { publicKey, validity })
  return {
    identity,
    credentials: { authority: authority.certificate, certificate, privateKey },
  }
}

export function tcpOptions(
  { identity, credentials }: CertifiedNode,
  changes: Partial<TcpOptions['rules']> & Partial<Pick<TcpOptions, 'refused'>> = {},
): TcpOptions {
  const { refused = () => undefined, ...rules } = changes
  const protocol = { min: 1, max: 1 }
  return {
    credentials,
    refused,
    rules: { self: identity, protocol, oldestEpoch: () => 0, ...rules },
  }
}
