// Connections between nodes: TCP under TLS 1.3, with a certificate of the cluster's authority at
// both ends, and a hello each way before the first frame.
// Invariants:
//   TC1. Until the peer's certificate was verified and its hello was judged, nothing that it sends
//        reaches anybody. Node itself rejects nobody, so that a refusal can name both sides;
//        `authorized` is therefore asked before the first byte is read.
//   TC2. Who is refused hears why, and so does this side. A stranger learns no more than our
//        certificate, which TLS shows to everybody anyway.
//   TC3. A peer that stalls before its hello is given up.
//   TC4. Hosts and ports prove nothing: a peer is who its certificate says (node, epoch).
//   TC5. A machine that is gone, or cut off, without a word is noticed within
//        KEEP_ALIVE_MS + UNACKNOWLEDGED_LIMIT_MS by every connection to it; a cut of 5 s by none.
//   TC6. A connection is of the lane that its dialler said: nobody is given one of the other.
// Source: design 10 and 11; faults.md F08, F09, F18.
import type { AddressInfo } from 'node:net'
import {
  connect,
  createSecureContext,
  createServer,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'
import { ProtocolError } from '../common/errors.ts'
import { KEEP_ALIVE_MS, UNACKNOWLEDGED_LIMIT_MS } from '../common/limits.ts'
import type { BulkConnection } from './bulk.ts'
import { NO_HELLO, TcpBulkConnection, TcpIntake, closedBeforeHello, noHello } from './bulk-tcp.ts'
import { identityOfCertificate } from './certificates-system.ts'
import { FRAME_HEADER_BYTES, type Listener } from './connection.ts'
import { listening, SocketConnection } from './connection-socket-system.ts'
import { FrameSplitter, sealFrame } from './framing.ts'
import {
  hostAndPortOf,
  nodeAddressOf,
  showAddress,
  type NodeAddress,
  type NodeIdentity,
} from './node-identity.ts'
import {
  GREETING_BYTES_MAX,
  decodeGreeting,
  encodeGreeting,
  judgeAnswerer,
  judgeCertificate,
  isRefusal,
  judgePeer,
  notVirga,
  refusedError,
  type Lane,
  type PeerGreeting,
  type PeerHello,
  type PeerRules,
  type Presented,
  type Refusal,
} from './peer-hello.ts'
import type { PeerConnection, PeerTransport } from './peer-transport.ts'
import { limitUnacknowledged } from './unacknowledged-tcp.ts'

/** For the dial, the TLS handshake and the hello together. */
const GREETING_LIMIT_MS = 5_000
/** Connections of one listener; a node has two with each peer at most. */
const CONNECTIONS_MAX = 16_384

/** All in PEM. */
export interface Credentials {
  /** The certificate of the cluster's authority. */
  readonly authority: string
  readonly certificate: string
  readonly privateKey: string
}

export interface TcpOptions {
  readonly credentials: Credentials
  readonly rules: PeerRules
  /**
   * Told why an incoming connection came to nothing: a refusal, or a failed handshake.
   * @param peer  HOST:PORT, where it got so far.
   */
  readonly refused: Refused
}

type Refused = (error: Error, peer?: string) => void

/** Of a connection whose other end broke off, or of a machine that is gone. */
const BROKEN_OFF = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_TLS_HANDSHAKE_TIMEOUT'])

/** What `refused` was told: nobody was refused; the other end was gone, or silent, at its hello. */
export const isSilence = (error: Error & { readonly code?: string }): boolean =>
  BROKEN_OFF.has(error.code ?? '') ||
  (error instanceof ProtocolError && error.data?.['reason'] === NO_HELLO)

class TcpConnection extends SocketConnection implements PeerConnection {
  readonly peer: NodeIdentity

  constructor(socket: TLSSocket, peer: NodeIdentity) {
    super(socket)
    this.peer = peer
  }
}

export function tcpTransport(options: TcpOptions): PeerTransport {
  const tls = tlsOptions(options)
  // Made once: it reads the key and the certificates, which is half of what a dial costs.
  const secureContext = createSecureContext(tls)
  return {
    listen: (address, onConnection, onBulk) => {
      return listen(options, address, { onConnection, onBulk })
    },
    connect: async (address) => {
      const socket = begin(secureContext, nodeAddressOf(address))
      const at = { address: nodeAddressOf(address), lane: 'control' as const }
      const peer = await greet(options, socket, { ...at, take: (count) => take(socket, count) })
      return new TcpConnection(socket, peer)
    },
    connectBulk: async (address) => {
      const intake = new TcpIntake()
      const socket = begin(secureContext, nodeAddressOf(address), intake)
      socket.once('close', () => {
        intake.closed()
      })
      const at = { address: nodeAddressOf(address), lane: 'bulk' as const }
      const peer = await greet(options, socket, { ...at, take: (count) => intake.take(count) })
      return new TcpBulkConnection(socket, peer, intake)
    },
  }
}

const tlsOptions = ({ credentials }: TcpOptions) => ({
  ca: credentials.authority,
  cert: credentials.certificate,
  key: credentials.privateKey,
  minVersion: 'TLSv1.3' as const,
  rejectUnauthorized: false, // TC1
})

async function listen(options: TcpOptions, address: string, given: Given): Promise<Listener> {
  const { host, port } = hostAndPortOf(address)
  const { refused, rules } = options
  const server = createServer(
    { ...tlsOptions(options), requestCert: true, handshakeTimeout: GREETING_LIMIT_MS },
    (socket) => {
      const peer = addressOf(socket)
      void answer(options, socket, given).catch((error: unknown) => {
        refused(error as Error, peer)
      })
    },
  )
  server.maxConnections = CONNECTIONS_MAX
  server.on('tlsClientError', (error, socket) => {
    const peer = addressOf(socket)
    socket.destroy() // Node leaves it open after its own handshakeTimeout
    refused(error, peer)
  })
  const close = await listening({ server, at: { host, port }, refused })
  const bound = server.address() as AddressInfo
  const { nodeId, epoch } = rules.self
  return { address: showAddress({ host, port: bound.port, nodeId, epoch }), close }
}

/** Undefined where it is gone already. */
const addressOf = ({ remoteAddress, remotePort }: TLSSocket): string | undefined =>
  remoteAddress === undefined ? undefined : `${remoteAddress}:${String(remotePort)}`

interface Given {
  readonly onConnection: (connection: PeerConnection) => void
  readonly onBulk: ((connection: BulkConnection) => void) | undefined
}

/** The listening side: judge the certificate, read the hello, answer it, give the connection. */
async function answer(options: TcpOptions, socket: TLSSocket, given: Given): Promise<void> {
  const { rules } = options
  const greeted = limitGreeting(socket)
  const certified = judgeCertificate(rules, presentedBy(socket))
  if (isRefusal(certified)) throw refuse(socket, certified)
  const hello = await hear(socket, (count) => take(socket, count))
  const refusal = judgePeer(rules, hello, certified)
  if (refusal !== undefined) throw refuse(socket, refusal)
  const { from, lane } = hello
  if (lane === 'bulk' && given.onBulk === undefined) {
    socket.destroy() // TC6
    throw new ProtocolError(`node ${from.nodeId} wants objects of a process that has none to give`)
  }
  say(socket, {
    kind: 'HELLO',
    hello: { from: rules.self, to: from, protocol: rules.protocol, lane },
  })
  greeted()
  if (lane === 'bulk') given.onBulk?.(new TcpBulkConnection(socket, from))
  else given.onConnection(new TcpConnection(socket, from))
}

/** The dialling side. @param intake  takes what comes; without it the socket is read as a stream. */
const begin = (
  secureContext: SecureContext,
  { host, port }: NodeAddress,
  intake?: TcpIntake,
): TLSSocket =>
  connect({
    secureContext,
    rejectUnauthorized: false, // TC1
    ...{ host, port },
    checkServerIdentity: () => undefined, // TC4
    ...(intake === undefined ? {} : { onread: intake.onread }),
  })

type Take = (count: number) => Promise<Buffer>

interface Dialled {
  readonly address: NodeAddress
  readonly lane: Lane
  readonly take: Take
}

/** @returns who is at the other end. */
async function greet(
  options: TcpOptions,
  socket: TLSSocket,
  { address, lane, take: taken }: Dialled,
): Promise<NodeIdentity> {
  const { rules } = options
  const greeted = limitGreeting(socket)
  await secured(socket)
  const certified = judgeCertificate(rules, presentedBy(socket))
  if (isRefusal(certified)) throw refuse(socket, certified)
  const impostor = judgeAnswerer(rules, address, certified)
  if (impostor !== undefined) throw refuse(socket, impostor)
  const { self: from, protocol } = rules
  say(socket, { kind: 'HELLO', hello: { from, to: address, protocol, lane } })
  const refusal = judgePeer(rules, await hear(socket, taken), certified)
  if (refusal !== undefined) throw refuse(socket, refusal)
  greeted()
  return certified
}

/** TC3. @returns what to call when the greeting is over. */
function limitGreeting(socket: TLSSocket): () => void {
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  limitUnacknowledged(socket, UNACKNOWLEDGED_LIMIT_MS)
  socket.on('error', () => undefined) // kept in socket.errored, for whoever waits
  const limit = setTimeout(() => {
    socket.destroy(noHello(`a peer did not say hello within ${String(GREETING_LIMIT_MS)} ms`))
  }, GREETING_LIMIT_MS)
  const end = (): void => {
    clearTimeout(limit)
  }
  socket.once('close', end)
  return end
}

function secured(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('close', () => {
      reject(closedEarly(socket))
    })
  })
}

/** What the peer's certificate says, and what speaks against believing it. */
function presentedBy(socket: TLSSocket): Presented {
  const certificate = socket.getPeerX509Certificate()
  const identity = certificate && identityOfCertificate(certificate)
  if (socket.authorized) return { identity, problem: undefined }
  // Node types this as an Error; it is the code of one.
  return { identity, problem: String(socket.authorizationError) }
}

const say = (socket: TLSSocket, greeting: PeerGreeting): void => {
  socket.write(sealFrame(encodeGreeting(greeting)))
}

/** TC2. What the peer still sends is read and dropped, so that the refusal is not lost with it. */
function refuse(socket: TLSSocket, refusal: Refusal): Error {
  socket.end(sealFrame(encodeGreeting({ kind: 'REFUSAL', refusal })))
  socket.resume()
  return refusedError(refusal)
}

/** The peer's hello. @throws PeerRefusedError when it refuses us; ProtocolError. */
async function hear(socket: TLSSocket, taken: Take): Promise<PeerHello> {
  try {
    const header = await taken(FRAME_HEADER_BYTES)
    const sizeBytes = header.readUInt32LE(0)
    if (sizeBytes > GREETING_BYTES_MAX) throw notVirga()
    const body = await taken(sizeBytes)
    const greeting = decodeGreeting(wholeFrame(header, body))
    if (greeting.kind === 'HELLO') return greeting.hello
    throw refusedError(greeting.refusal)
  } catch (error) {
    socket.destroy()
    throw error
  }
}

/** @throws FrameCorruptError */
function wholeFrame(header: Buffer, body: Buffer): Buffer {
  let whole: Buffer | undefined
  new FrameSplitter((found) => {
    whole = found
  }).push(Buffer.concat([header, body]))
  if (whole === undefined) throw notVirga()
  return whole
}

const CHANGES = ['readable', 'end', 'close'] as const

/** Exactly `count` bytes; what comes after them stays in the socket. */
async function take(socket: TLSSocket, count: number): Promise<Buffer> {
  let wake = (): void => undefined
  const changed = (): void => {
    wake()
  }
  // Once: who begins to listen is told at once of bytes that are too few, and would be for ever.
  for (const event of CHANGES) socket.on(event, changed)
  try {
    for (;;) {
      const change = new Promise<void>((resolve) => (wake = resolve))
      const bytes = socket.read(count) as Buffer | null
      if (bytes?.length === count) return bytes
      if (bytes !== null || socket.readableEnded || socket.destroyed) throw closedEarly(socket)
      await change
    }
  } finally {
    for (const event of CHANGES) socket.off(event, changed)
  }
}

const closedEarly = (socket: TLSSocket): Error => socket.errored ?? closedBeforeHello()
