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
/** Nothing was said for so long: the system asks whether the other machine is there. */
const KEEP_ALIVE_MS = 10_000
/** What a machine has not acknowledged for so long closes its connections (TC5). */
const UNACKNOWLEDGED_LIMIT_MS = 15_000
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
  /** What the connections that are made here are for. */
  readonly lane: Lane
  /** Told why an incoming connection came to nothing: a refusal, or a failed handshake. */
  readonly refused: (error: Error) => void
}

class TcpConnection extends SocketConnection implements PeerConnection {
  readonly peer: NodeIdentity
  readonly lane: Lane

  constructor(socket: TLSSocket, peer: NodeIdentity, lane: Lane) {
    super(socket)
    this.peer = peer
    this.lane = lane
  }
}

export function tcpTransport(options: TcpOptions): PeerTransport {
  const tls = tlsOptions(options)
  // Made once: it reads the key and the certificates, which is half of what a dial costs.
  const secureContext = createSecureContext(tls)
  return {
    listen: (address, onConnection) => listen(options, address, onConnection),
    connect: (address) => dial({ ...options, secureContext }, nodeAddressOf(address)),
  }
}

const tlsOptions = ({ credentials }: TcpOptions) => ({
  ca: credentials.authority,
  cert: credentials.certificate,
  key: credentials.privateKey,
  minVersion: 'TLSv1.3' as const,
  rejectUnauthorized: false, // TC1
})

async function listen(
  options: TcpOptions,
  address: string,
  onConnection: (connection: PeerConnection) => void,
): Promise<Listener> {
  const { host, port } = hostAndPortOf(address)
  const { refused, rules } = options
  const server = createServer(
    { ...tlsOptions(options), requestCert: true, handshakeTimeout: GREETING_LIMIT_MS },
    (socket) => void answer(options, socket).then(onConnection, refused),
  )
  server.maxConnections = CONNECTIONS_MAX
  server.on('tlsClientError', (error, socket) => {
    socket.destroy() // Node leaves it open after its own handshakeTimeout
    refused(error)
  })
  const close = await listening({ server, at: { host, port }, refused })
  const bound = server.address() as AddressInfo
  const { nodeId, epoch } = rules.self
  return { address: showAddress({ host, port: bound.port, nodeId, epoch }), close }
}

/** The listening side: judge the certificate, read the hello, answer it. */
async function answer(options: TcpOptions, socket: TLSSocket): Promise<TcpConnection> {
  const { rules } = options
  const greeted = limitGreeting(socket)
  const certified = judgeCertificate(rules, presentedBy(socket))
  if (isRefusal(certified)) throw refuse(socket, certified)
  const hello = await hear(socket)
  const refusal = judgePeer(rules, hello, certified)
  if (refusal !== undefined) throw refuse(socket, refusal)
  const { from, lane } = hello
  say(socket, {
    kind: 'HELLO',
    hello: { from: rules.self, to: from, protocol: rules.protocol, lane },
  })
  greeted()
  return new TcpConnection(socket, from, lane)
}

/** The dialling side. */
async function dial(
  options: TcpOptions & { readonly secureContext: SecureContext },
  address: NodeAddress,
): Promise<TcpConnection> {
  const { rules, lane, secureContext } = options
  const socket = connect({
    secureContext,
    rejectUnauthorized: false, // TC1
    host: address.host,
    port: address.port,
    checkServerIdentity: () => undefined, // TC4
  })
  const greeted = limitGreeting(socket)
  await secured(socket)
  const certified = judgeCertificate(rules, presentedBy(socket))
  if (isRefusal(certified)) throw refuse(socket, certified)
  const impostor = judgeAnswerer(rules, address, certified)
  if (impostor !== undefined) throw refuse(socket, impostor)
  const { self: from, protocol } = rules
  say(socket, { kind: 'HELLO', hello: { from, to: address, protocol, lane } })
  const refusal = judgePeer(rules, await hear(socket), certified)
  if (refusal !== undefined) throw refuse(socket, refusal)
  greeted()
  return new TcpConnection(socket, certified, lane)
}

/** TC3. @returns what to call when the greeting is over. */
function limitGreeting(socket: TLSSocket): () => void {
  socket.setNoDelay(true)
  socket.setKeepAlive(true, KEEP_ALIVE_MS)
  limitUnacknowledged(socket, UNACKNOWLEDGED_LIMIT_MS)
  socket.on('error', () => undefined) // kept in socket.errored, for whoever waits
  const limit = setTimeout(() => {
    socket.destroy(
      new ProtocolError(`a peer did not say hello within ${String(GREETING_LIMIT_MS)} ms`),
    )
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
async function hear(socket: TLSSocket): Promise<PeerHello> {
  try {
    const header = await take(socket, FRAME_HEADER_BYTES)
    const sizeBytes = header.readUInt32LE(0)
    if (sizeBytes > GREETING_BYTES_MAX) throw notVirga()
    const body = await take(socket, sizeBytes)
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

/** Exactly `count` bytes; what comes after them stays in the socket. */
async function take(socket: TLSSocket, count: number): Promise<Buffer> {
  for (;;) {
    const bytes = socket.read(count) as Buffer | null
    if (bytes?.length === count) return bytes
    if (bytes !== null || socket.readableEnded || socket.destroyed) throw closedEarly(socket)
    await changed(socket)
  }
}

function changed(socket: TLSSocket): Promise<void> {
  return new Promise((resolve) => {
    const events = ['readable', 'end', 'close']
    const wake = (): void => {
      for (const event of events) socket.off(event, wake)
      resolve()
    }
    for (const event of events) socket.on(event, wake)
  })
}

const closedEarly = (socket: TLSSocket): Error =>
  socket.errored ?? new ProtocolError('the connection was closed before its first hello')
