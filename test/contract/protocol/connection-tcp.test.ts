// Who may speak to whom over TCP: both sides of every refusal, and what strangers can do (nothing).
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import {
  FrameCorruptError,
  FrameTooLargeError,
  PeerRefusedError,
  ProtocolError,
} from '../../../runtime/common/errors.ts'
import { newAuthority } from '../../../runtime/protocol/certificates-system.ts'
import {
  FRAME_HEADER_BYTES,
  type ConnectionEvents,
  type Listener,
} from '../../../runtime/protocol/connection.ts'
import {
  isSilence,
  tcpTransport,
  type TcpOptions,
} from '../../../runtime/protocol/connection-tcp.ts'
import { sealFrame } from '../../../runtime/protocol/framing.ts'
import { nodeAddressOf, showAddress } from '../../../runtime/protocol/node-identity.ts'
import { encodeGreeting } from '../../../runtime/protocol/peer-hello.ts'
import { refusedWords } from '../../../runtime/protocol/refused-words.ts'
import type { PeerConnection } from '../../../runtime/protocol/peer-transport.ts'
import {
  certifiedNode,
  tcpOptions,
  validNow,
  type CertifiedNode,
} from '../../support/certified-nodes.ts'
import { scaled } from '../../support/scale.ts'
import { seededRandom } from '../../support/seeded.ts'
import { caught, until } from '../../support/waiting.ts'

const HERE = certifiedNode({ nodeId: 'aa', epoch: 3 })
const PEER = certifiedNode({ nodeId: 'bb', epoch: 5 })

let listener: Listener | undefined
let refusals: Error[]
let refusedPeers: (string | undefined)[]
let arrived: PeerConnection[]

afterEach(async () => {
  await listener?.close()
  listener = undefined
})

type Rules = Partial<TcpOptions['rules']>

/** HERE listens under these rules. @returns its address. */
async function listenHere(rules: Rules = {}): Promise<string> {
  refusals = []
  refusedPeers = []
  arrived = []
  const refused = (error: Error, peer?: string): void => {
    refusals.push(error)
    refusedPeers.push(peer)
  }
  const here = tcpTransport(tcpOptions(HERE, { ...rules, refused }))
  listener = await here.listen('127.0.0.1:0', (connection) => arrived.push(connection))
  return listener.address
}

const dial = (node: CertifiedNode, address: string, rules: Rules = {}): Promise<PeerConnection> =>
  tcpTransport(tcpOptions(node, rules)).connect(address)

/** Both ends have the same error: the reason, and both sides by name. */
async function expectRefusal(
  dialled: Promise<unknown>,
  reason: string,
  sides: readonly string[],
): Promise<void> {
  const error = await caught(dialled, PeerRefusedError)
  await until(() => refusals.length === 1)
  expect(refusals[0]).toBeInstanceOf(PeerRefusedError)
  for (const each of [error, refusals[0] as PeerRefusedError]) {
    expect(each.data).toMatchObject({ reason })
    expect(each.retryable).toBe(false)
    for (const side of sides) expect(each.message).toContain(side)
  }
  expect(arrived).toEqual([])
}

describe('peers that fit', () => {
  it('know each other by certificate', async () => {
    const address = await listenHere()
    const near = await dial(PEER, address)
    await until(() => arrived.length === 1)
    expect(near.peer).toEqual(HERE.identity)
    expect(arrived[0]?.peer).toEqual(PEER.identity)
  })

  it('TC6: what is dialled for bytes in bulk is given to whoever has some, and to nobody else', async () => {
    const address = await listenHere()
    await caught(tcpTransport(tcpOptions(PEER)).connectBulk(address), ProtocolError)
    await until(() => refusals.length === 1)
    expect(refusals[0]?.message).toContain('a process that has none to give')
    expect(arrived).toEqual([])
  })

  it('speak when their versions overlap, whatever each prefers', async () => {
    const address = await listenHere({ protocol: { min: 2, max: 4 } })
    await dial(PEER, address, { protocol: { min: 4, max: 9 } })
    await until(() => arrived.length === 1)
  })
})

describe('peers that are refused, with an error at both ends that names both', () => {
  const sides = ['node aa (cluster prod, epoch 3)', 'node bb (cluster prod, epoch 5)']

  it('S03 B38 another cluster: its certificate is of another authority', async () => {
    const authority = newAuthority('test', validNow())
    const other = certifiedNode({ cluster: 'test', nodeId: 'cc', epoch: 1 }, authority)
    await expectRefusal(dial(other, await listenHere()), 'CLUSTER', [
      'node aa (cluster prod, epoch 3)',
      'node cc (cluster test, epoch 1)',
      'Connect nodes of one cluster',
    ])
  })

  it('S03 F37 a cluster of the same name that was made anew', async () => {
    const again = certifiedNode({ nodeId: 'bb', epoch: 5 }, newAuthority('prod', validNow()))
    await expectRefusal(dial(again, await listenHere()), 'CERTIFICATE', sides)
  })

  it('S04 F08 an epoch that has ended', async () => {
    const address = await listenHere({ oldestEpoch: (nodeId) => (nodeId === 'bb' ? 6 : 0) })
    await expectRefusal(dial(PEER, address), 'EPOCH', [...sides, 'epoch 6 is the oldest'])
  })

  it('S04 F08 a listener whose epoch has ended', async () => {
    const address = await listenHere()
    const dialled = dial(PEER, address, { oldestEpoch: (nodeId) => (nodeId === 'aa' ? 4 : 0) })
    const error = await caught(dialled, PeerRefusedError)
    expect(error.data).toMatchObject({ reason: 'EPOCH', by: PEER.identity, peer: HERE.identity })
  })

  it('F09 another node, or another life of it, than the one that listens there', async () => {
    const { host, port } = nodeAddressOf(await listenHere())
    for (const [nodeId, epoch] of [
      ['aa', 2],
      ['ab', 3],
    ] as const) {
      refusals = []
      const dialled = dial(PEER, showAddress({ host, port, nodeId, epoch }))
      await expectRefusal(dialled, 'WRONG_NODE', sides)
    }
  })

  it('a version that is not spoken here', async () => {
    const address = await listenHere({ protocol: { min: 2, max: 3 } })
    const dialled = dial(PEER, address, { protocol: { min: 4, max: 4 } })
    await expectRefusal(dialled, 'VERSION', [...sides, 'speaks protocol 4, and 2 to 3'])
  })

  it.each([
    ['has ended', -7_200_000, -3_600_000, 'CERT_HAS_EXPIRED'],
    ['begins later', 3_600_000, 7_200_000, 'CERT_NOT_YET_VALID'],
  ])('S03 B38 a certificate that %s', async (_, from, until, code) => {
    const validity = { fromMs: Date.now() + from, untilMs: Date.now() + until }
    const other = certifiedNode({ nodeId: 'bb', epoch: 5 }, undefined, validity)
    await expectRefusal(dial(other, await listenHere()), 'CERTIFICATE', [...sides, code])
  })

  it('S03 a hello that says more than its certificate', async () => {
    const address = await listenHere()
    const { credentials } = PEER
    const liar = { credentials, identity: { ...PEER.identity, epoch: 6 } }
    await expectRefusal(dial(liar, address), 'CERTIFICATE', [
      'epoch 6',
      'its certificate is of node bb',
    ])
  })
})

describe('strangers', () => {
  it('S03 without a certificate hear why, and are read not one byte', async () => {
    const address = nodeAddressOf(await listenHere())
    const stranger = connectTls({ ...address, rejectUnauthorized: false })
    const heard: Buffer[] = []
    stranger.on('data', (chunk: Buffer) => heard.push(chunk))
    stranger.on('error', () => undefined) // the other side hangs up
    await until(() => refusals.length === 1)
    expect(refusals[0]?.message).toContain('a peer without a node certificate')
    await until(() => Buffer.concat(heard).includes('its certificate'))
    expect(arrived).toEqual([])
  })

  it('B01 that speak no TLS, or no Virga, or nothing at all, leave the others alone', async () => {
    const address = await listenHere()
    const { host, port } = nodeAddressOf(address)
    const plain = connectTcp({ host, port })
    plain.on('error', () => undefined)
    plain.write('GET / HTTP/1.1\r\n\r\n')
    const silent = connectTcp({ host, port })
    silent.on('error', () => undefined)
    silent.resume()
    const mute = await rawPeer(address)
    const other = await rawPeer(address)
    other.write(sealed('no greeting, but a whole frame'))
    await until(() => refusals.length === 2)
    expect(refusals.some((error) => error instanceof ProtocolError)).toBe(true)
    await dial(PEER, address)
    await until(() => arrived.length === 1)
    await until(() => mute.destroyed && silent.destroyed) // TC3
    await until(() => refusals.length === 4)
  })
})

describe('what is on the wire', () => {
  /** PEER, who has said hello by hand. @returns it, and what HERE sees of it. */
  async function greetedPeer(address: string): Promise<{ raw: TLSSocket; seen: Seen }> {
    const before = arrived.length
    const raw = await rawPeer(address)
    raw.write(greetingTo(address))
    await until(() => arrived.length === before + 1)
    const seen = watch()
    arrived[before]?.start(seen.events)
    return { raw, seen }
  }

  it('S03 is nothing that anybody but the two ends can read', async () => {
    const { host, port, nodeId, epoch } = nodeAddressOf(await listenHere())
    const wire: Buffer[] = []
    const tap = createServer((near) => {
      const far = connectTcp({ host, port })
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on('data', (chunk: Buffer) => wire.push(chunk))
        from.on('error', () => undefined) // the test ends before its connections
        from.pipe(to)
      }
    })
    await new Promise<void>((resolve) => tap.listen(0, '127.0.0.1', resolve))
    const tapped = { host, port: (tap.address() as AddressInfo).port, nodeId, epoch }
    const near = await dial(PEER, showAddress(tapped))
    await until(() => arrived.length === 1)
    const seen = watch()
    arrived[0]?.start(seen.events)
    const secret = 'the canary sings in the mine'
    near.send(frame(secret))
    await until(() => seen.frames.includes(secret))
    near.close()
    tap.close()
    const bytes = Buffer.concat(wire)
    expect(bytes.length).toBeGreaterThan(secret.length)
    // TLS 1.3 hides the certificates too: not even names of nodes are seen.
    for (const text of [secret, 'virga://', 'prod']) expect(bytes.includes(text)).toBe(false)
  })

  it('B03 a length beyond the limit ends that connection before anything is allocated', async () => {
    const { raw, seen } = await greetedPeer(await listenHere())
    const header = Buffer.alloc(FRAME_HEADER_BYTES)
    header.writeUInt32LE(0xff_ff_ff_ff, 0)
    const before = process.memoryUsage().arrayBuffers
    raw.write(header)
    await until(() => seen.closes === 1)
    expect(seen.error).toBeInstanceOf(FrameTooLargeError)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1024 * 1024)
  })

  it('B05 a peer that says its hello byte by byte is given up, and others go on', async () => {
    const address = await listenHere()
    const slow = await rawPeer(address)
    const greeting = greetingTo(address)
    let at = 0
    // Longer than the time for a greeting, however fast this machine is.
    const drip = setInterval(() => slow.write(greeting.subarray(at, ++at)), 200)
    await dial(PEER, address)
    await until(() => arrived.length === 1)
    await until(() => slow.destroyed)
    clearInterval(drip)
    expect(at).toBeLessThan(greeting.length)
    expect(refusals[0]?.message).toContain('did not say hello')
    expect(refusals.every(isSilence)).toBe(true)
    expect(arrived).toHaveLength(1)
  })

  it('PT1: who breaks off before the hello is told apart from who is refused', async () => {
    const address = await listenHere()
    const { host, port } = nodeAddressOf(address)
    const plain = connectTcp(port, host)
    await until(() => plain.readyState === 'open')
    plain.resetAndDestroy() // as a machine whose process was killed says it
    await until(() => refusals.length === 1)
    const secured = await rawPeer(address)
    secured.destroy()
    await until(() => refusals.length === 2)
    expect(refusals.map(isSilence)).toEqual([true, true])
    const stranger = certifiedNode({ nodeId: 'cc', epoch: 1 }, newAuthority('prod', validNow()))
    await caught(dial(stranger, address), PeerRefusedError)
    await until(() => refusals.length === 3)
    expect(isSilence(refusals[2] as Error)).toBe(false)
  })

  it('tells the address of whoever is not let in, and in plain words what it lacked', async () => {
    const address = await listenHere()
    const { host, port } = nodeAddressOf(address)
    const ports: number[] = []
    for (const said of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'what is this?\n'.repeat(20)]) {
      const plain = connectTcp(port, host)
      await until(() => plain.readyState === 'open')
      ports.push(plain.localPort ?? 0)
      plain.on('error', () => undefined)
      plain.write(said)
      await until(() => refusals.length === ports.length)
      plain.destroy()
    }
    const secured = await rawPeer(address)
    secured.destroy()
    await until(() => refusals.length === 3)
    expect(refusedPeers.slice(0, 2)).toEqual(ports.map((each) => `127.0.0.1:${String(each)}`))
    expect(refusals.map(refusedWords)).toEqual([
      'it speaks HTTP; only nodes of this cluster are served here',
      'what it sent is no TLS; only nodes of this cluster are served here',
      expect.not.stringContaining('SSL'),
    ])
  })

  it('B06 of random bytes and changed frames none is handed out, and others go on', async () => {
    const address = await listenHere()
    const near = await dial(PEER, address)
    await until(() => arrived.length === 1)
    const good = watch()
    arrived[0]?.start(good.events)
    const random = seededRandom(6)
    for (let round = 0; round < scaled(200); round++) {
      const { raw, seen } = await greetedPeer(address)
      const bytes = sealed(`frame ${String(round)}`)
      const changed = Math.floor(random.next() * bytes.length)
      bytes[changed] = (bytes[changed] ?? 0) ^ (1 + Math.floor(random.next() * 255))
      raw.end(round % 2 === 0 ? bytes : Buffer.from(random.bytes(64)))
      await until(() => seen.closes === 1)
      expect(seen.frames).toEqual([])
    }
    near.send(frame('still here'))
    await until(() => good.frames.length === 1)
    expect(good.closes).toBe(0)
  })

  it('F18 half a frame and a cut: nothing of it is handed out', async () => {
    const address = await listenHere()
    const raw = await rawPeer(address)
    raw.write(greetingTo(address))
    await until(() => arrived.length === 1)
    const seen = watch()
    arrived[0]?.start(seen.events)
    raw.write(sealed('whole'))
    raw.write(sealed('cut short').subarray(0, -1))
    await until(() => seen.frames.length === 1)
    raw.destroy()
    await until(() => seen.closes === 1)
    expect(seen.frames).toEqual(['whole'])
  })

  it('N3 B04 a wrong checksum closes that connection only', async () => {
    const address = await listenHere()
    const near = await dial(PEER, address)
    const raw = await rawPeer(address)
    raw.write(greetingTo(address))
    await until(() => arrived.length === 2)
    const good = watch()
    const bad = watch()
    arrived[0]?.start(good.events)
    arrived[1]?.start(bad.events)
    const torn = sealed('something')
    torn[torn.length - 1] = 0
    raw.write(torn)
    await until(() => bad.closes === 1)
    expect(bad.error).toBeInstanceOf(FrameCorruptError)
    expect(bad.frames).toEqual([])
    near.send(frame('still here'))
    await until(() => good.frames.length === 1)
    expect([good.frames, good.closes]).toEqual([['still here'], 0])
  })
})

/** PEER over TLS, before it has said anything. */
function rawPeer(address: string): Promise<TLSSocket> {
  const { host, port } = nodeAddressOf(address)
  const { authority: ca, certificate: cert, privateKey: key } = PEER.credentials
  return new Promise((resolve) => {
    const socket = connectTls({ host, port, ca, cert, key, rejectUnauthorized: false })
    socket.on('error', () => undefined) // the other side may hang up
    socket.on('secureConnect', () => {
      socket.resume()
      resolve(socket)
    })
  })
}

const greetingTo = (address: string): Buffer => {
  const from = PEER.identity
  const protocol = { min: 1, max: 1 }
  const hello = { from, to: nodeAddressOf(address), protocol, lane: 'control' as const }
  return sealFrame(encodeGreeting({ kind: 'HELLO', hello }))
}

const frame = (text: string): Buffer =>
  Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), Buffer.from(text)])
const sealed = (text: string): Buffer => sealFrame(frame(text))

interface Seen {
  readonly frames: string[]
  closes: number
  error: Error | undefined
  readonly events: ConnectionEvents
}

function watch(): Seen {
  const seen: Seen = {
    frames: [],
    closes: 0,
    error: undefined,
    events: {
      onFrame: (body) => {
        seen.frames.push(body.toString())
      },
      onClose: (error) => {
        seen.closes += 1
        seen.error = error
      },
    },
  }
  return seen
}
