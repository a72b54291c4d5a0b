// The nodes of a cluster on one machine: an authority signs their certificates. Each of them keeps
// its key beside its own, so that others can join: who may read that is the user whose cluster it
// is (D204).
import type { NewNodes, NodeCredentials } from '../common/node-credentials.ts'
import type { Random } from '../common/random.ts'
import { issueCertificate, newAuthority, newNodeKey } from './certificates-system.ts'

const DAY_MS = 86_400_000
/** The cluster lives no longer than this machine is up. */
const VALID_MS = 3_650 * DAY_MS
const CLUSTER_ID_BYTES = 6
const NODE_ID_BYTES = 14

/** @param nowMs  since 1970. @returns the nodes, each in the first epoch of its life. */
export function enrolNodes(
  { count, host, cluster: name, join }: NewNodes,
  nowMs: number,
  random: Random,
): NodeCredentials[] {
  const hex = (length: number): string => Buffer.from(random.bytes(length)).toString('hex')
  const cluster = join?.cluster ?? name ?? `local-${hex(CLUSTER_ID_BYTES)}`
  // A clock that was set back meanwhile does not end the cluster.
  const validity = { fromMs: nowMs - DAY_MS, untilMs: nowMs + VALID_MS }
  const authority =
    join === undefined
      ? newAuthority(cluster, validity)
      : { certificate: join.authority, privateKey: join.authorityKey }
  const ofAll = { host, authority: authority.certificate, authorityKey: authority.privateKey }
  return Array.from({ length: count }, () => {
    const { publicKey, privateKey } = newNodeKey()
    const identity = { cluster, nodeId: hex(NODE_ID_BYTES), epoch: 1 }
    const certificate = issueCertificate(authority, identity, { publicKey, validity })
    return { ...identity, ...ofAll, certificate, privateKey }
  })
}
