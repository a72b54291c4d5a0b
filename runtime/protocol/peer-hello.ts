// The first frame each way between two nodes: who I am, whom I mean, which versions I speak; then a
// hello in return, or a refusal that names both sides. Pure.
// Invariants:
//   PH1. This layout never changes: nodes of any two versions must be able to refuse each other.
//   PH2. Nothing is believed that the certificate does not say: the hello must repeat it exactly.
//   PH3. A refusal has the same reason and the same two sides at both ends.
// Source: design 11 (hello), faults.md F08, F09, F37, B02.
import { PeerRefusedError, ProtocolError } from '../common/errors.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { FRAME_HEADER_BYTES } from './connection.ts'
import { showIdentity, type NodeIdentity } from './node-identity.ts'

/** What a connection is for; bulk transfers never share one with control messages. */
export type Lane = 'control' | 'bulk'

export interface ProtocolRange {
  readonly min: number
  readonly max: number
}

export interface PeerHello {
  readonly from: NodeIdentity
  /** Whom the sender believes to talk to. */
  readonly to: Pick<NodeIdentity, 'nodeId' | 'epoch'>
  readonly protocol: ProtocolRange
  readonly lane: Lane
}

/** Why a peer is refused. */
export type RefusalReason =
  /** Its certificate is of another authority, or none, or not for what it says it is. */
  | 'CERTIFICATE'
  | 'CLUSTER'
  /** It means another node, or another epoch of this one. */
  | 'WRONG_NODE'
  /** Its epoch has ended. */
  | 'EPOCH'
  | 'VERSION'

export interface Refusal {
  readonly reason: RefusalReason
  /** Who refuses, and who is refused as far as it is known. */
  readonly by: NodeIdentity
  readonly peer: NodeIdentity | undefined
  /** `it is …`, then what to do. */
  readonly text: string
}

export type PeerGreeting =
  | { readonly kind: 'HELLO'; readonly hello: PeerHello }
  | { readonly kind: 'REFUSAL'; readonly refusal: Refusal }

/** What one node judges its peers by. */
export interface PeerRules {
  readonly self: NodeIdentity
  readonly protocol: ProtocolRange
  /**
   * The lowest epoch of that node that may still speak: its current one, or the one after its
   * death. 0 for a node that is not known yet.
   */
  oldestEpoch(nodeId: string): number
}

const MAGIC = 0x4147_5256 // 'VRGA'
const HELLO = 0
const REFUSAL = 1
const LANES: readonly Lane[] = ['control', 'bulk']
const REASONS: readonly RefusalReason[] = [
  'CERTIFICATE',
  'CLUSTER',
  'WRONG_NODE',
  'EPOCH',
  'VERSION',
]
/** A greeting is far smaller; what is longer is no greeting. */
export const GREETING_BYTES_MAX = 4096

/** What a peer's certificate says, and why it cannot be believed: the code of TLS. */
export interface Presented {
  readonly identity: NodeIdentity | undefined
  readonly problem: string | undefined
}

export const isRefusal = (judged: NodeIdentity | Refusal): judged is Refusal => 'reason' in judged

/** @returns whom the certificate is of, when it can be believed. */
export function judgeCertificate(
  { self }: PeerRules,
  { identity, problem }: Presented,
): NodeIdentity | Refusal {
  if (identity !== undefined && problem === undefined) return identity
  const isOther = identity !== undefined && identity.cluster !== self.cluster
  return {
    reason: isOther ? 'CLUSTER' : 'CERTIFICATE',
    by: self,
    peer: identity,
    text:
      problem === undefined
        ? 'its certificate names no node. Enrol it as a node of this cluster'
        : `its certificate is not of this cluster's authority, or not valid now (${problem}). ` +
          'Connect nodes of one cluster, and enrol a node again before its certificate ends',
  }
}

/** @returns why whoever answers at `address` is refused: another node than the one meant (NI1). */
export function judgeAnswerer(
  { self }: PeerRules,
  address: Pick<NodeIdentity, 'nodeId' | 'epoch'>,
  certified: NodeIdentity,
): Refusal | undefined {
  const { nodeId, epoch } = address
  if (certified.nodeId === nodeId && certified.epoch === epoch) return undefined
  const text = `node ${nodeId} in epoch ${String(epoch)} was called. Read that node's row again`
  return { reason: 'WRONG_NODE', by: self, peer: certified, text }
}

/** @returns why `hello`, which came under a certificate of `certified`, is refused; or undefined. */
export function judgePeer(
  rules: PeerRules,
  hello: PeerHello,
  certified: NodeIdentity,
): Refusal | undefined {
  const { self, protocol } = rules
  const { from, to } = hello
  const refuse = (reason: RefusalReason, text: string): Refusal => ({
    reason,
    by: self,
    peer: from,
    text,
  })
  if (hello.protocol.max < protocol.min || hello.protocol.min > protocol.max) {
    const both = `${showRange(hello.protocol)}, and ${showRange(protocol)} is spoken here`
    return refuse('VERSION', `it speaks protocol ${both}. Bring both nodes to one version`)
  }
  if (from.cluster !== self.cluster) {
    return refuse('CLUSTER', 'it is of another cluster. Look up the address in its own cluster')
  }
  if (!isSame(from, certified)) {
    const text = `its certificate is of ${showIdentity(certified)}. Enrol it again under its epoch`
    return refuse('CERTIFICATE', text)
  }
  if (to.nodeId !== self.nodeId || to.epoch !== self.epoch) {
    const text = `it means node ${to.nodeId} in epoch ${String(to.epoch)}. Read that node's row again`
    return refuse('WRONG_NODE', text)
  }
  const oldest = rules.oldestEpoch(from.nodeId)
  if (from.epoch < oldest) {
    const text = `epoch ${String(oldest)} is the oldest that may speak. It must register anew`
    return refuse('EPOCH', text)
  }
  return undefined
}

/** The same error at both ends (PH3). */
export function refusedError({ reason, by, peer, text }: Refusal): PeerRefusedError {
  const who = peer === undefined ? 'a peer without a node certificate' : showIdentity(peer)
  return new PeerRefusedError(`${showIdentity(by)} refuses ${who}: ${text}.`, {
    data: { reason, by, peer },
  })
}

/** Within a cluster: others are refused for that first. */
type Life = Pick<NodeIdentity, 'nodeId' | 'epoch'>

/** Whether a peer has refused `self` because that epoch of it has ended, by all that it knows. */
export function isRefusedAsEnded(error: unknown, self: Life): boolean {
  if (!(error instanceof PeerRefusedError)) return false
  const { reason, peer } = error.data as Partial<Refusal>
  return reason === 'EPOCH' && peer?.nodeId === self.nodeId && peer.epoch === self.epoch
}

const FOR_GOOD: ReadonlySet<unknown> = new Set<RefusalReason>(['CERTIFICATE', 'CLUSTER', 'VERSION'])

/** Whether a peer has refused what this node is: to try again cannot help. */
export const isRefusedForGood = (error: unknown): boolean =>
  error instanceof PeerRefusedError && FOR_GOOD.has(error.data['reason'])

/** A frame, its header free. */
export function encodeGreeting(greeting: PeerGreeting): Buffer {
  const writer = new ByteWriter()
  writer.reserve(FRAME_HEADER_BYTES)
  writer.u32(MAGIC)
  if (greeting.kind === 'HELLO') {
    const { from, to, protocol, lane } = greeting.hello
    writer.u8(HELLO)
    writeIdentity(writer, from)
    writer.string(to.nodeId)
    writer.varint(to.epoch)
    writer.varint(protocol.min)
    writer.varint(protocol.max)
    writer.u8(LANES.indexOf(lane))
  } else {
    const { reason, by, peer, text } = greeting.refusal
    writer.u8(REFUSAL)
    writer.u8(REASONS.indexOf(reason))
    writeIdentity(writer, by)
    writer.u8(peer === undefined ? 0 : 1)
    if (peer !== undefined) writeIdentity(writer, peer)
    writer.string(text)
  }
  return writer.take()
}

/** @throws ProtocolError when these are not the first bytes of a node of Virga. */
export function decodeGreeting(body: Uint8Array): PeerGreeting {
  const reader = new ByteReader(body)
  if (body.length > GREETING_BYTES_MAX || reader.u32() !== MAGIC) throw notVirga()
  switch (reader.u8()) {
    case HELLO: {
      const from = readIdentity(reader)
      const to = { nodeId: reader.string(), epoch: reader.varint() }
      const protocol = { min: reader.varint(), max: reader.varint() }
      const lane = LANES[reader.u8()]
      if (lane === undefined) throw notVirga()
      return { kind: 'HELLO', hello: { from, to, protocol, lane } }
    }
    case REFUSAL: {
      const reason = REASONS[reader.u8()]
      if (reason === undefined) throw notVirga()
      const by = readIdentity(reader)
      const peer = reader.u8() === 1 ? readIdentity(reader) : undefined
      return { kind: 'REFUSAL', refusal: { reason, by, peer, text: reader.string() } }
    }
    default:
      throw notVirga()
  }
}

function writeIdentity(writer: ByteWriter, { cluster, nodeId, epoch }: NodeIdentity): void {
  writer.string(cluster)
  writer.string(nodeId)
  writer.varint(epoch)
}

const readIdentity = (reader: ByteReader): NodeIdentity => ({
  cluster: reader.string(),
  nodeId: reader.string(),
  epoch: reader.varint(),
})

const isSame = (a: NodeIdentity, b: NodeIdentity): boolean =>
  a.cluster === b.cluster && a.nodeId === b.nodeId && a.epoch === b.epoch

const showRange = ({ min, max }: ProtocolRange): string =>
  min === max ? String(min) : `${String(min)} to ${String(max)}`

export const notVirga = (): ProtocolError =>
  new ProtocolError('the first frame is no hello of Virga; look what listens at that address')
