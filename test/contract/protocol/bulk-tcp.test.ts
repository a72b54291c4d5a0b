// Bytes in bulk over real TLS: what is sent is what comes, where it is wanted, and control messages
// of the same two nodes go on meanwhile.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { VirgaError } from '../../../runtime/common/errors.ts'
import { PIECE_BYTES, type BulkConnection, type BulkHead } from '../../../runtime/protocol/bulk.ts'
import { FRAME_HEADER_BYTES, type Listener } from '../../../runtime/protocol/connection.ts'
import { tcpTransport } from '../../../runtime/protocol/connection-tcp.ts'
import type { PeerConnection } from '../../../runtime/protocol/peer-transport.ts'
import { certifiedNode, tcpOptions } from '../../support/certified-nodes.ts'
import { caught, until } from '../../support/waiting.ts'

const MIB = 1024 * 1024
const HOLDER = certifiedNode({ nodeId: 'aa' })
const READER = certifiedNode({ nodeId: 'bb' })

let listener: Listener
let address: string
let given: BulkConnection[]
let controls: PeerConnection[]
beforeEach(async () => {
  given = []
  controls = []
  listener = await tcpTransport(tcpOptions(HOLDER)).listen(
    '127.0.0.1:0',
    (connection) => controls.push(connection),
    (connection) => given.push(connection),
  )
  address = listener.address
})
afterEach(() => listener.close())

const reader = tcpTransport(tcpOptions(READER))
const pieceAt = (offset: number): BulkHead => ({
  ...{ kind: 'PIECE', request: 1, offset, sizeBytes: PIECE_BYTES },
})

/** A connection whose reader puts all pieces at their offsets of `target`. */
async function open(target: Uint8Array): Promise<{
  readonly near: BulkConnection
  readonly far: BulkConnection
  readonly came: () => number
  readonly closed: Promise<Error | undefined>
}> {
  const near = await reader.connectBulk(address)
  await until(() => given.length > 0)
  const far = given.pop() as BulkConnection
  let cameBytes = 0
  const closed = new Promise<Error | undefined>((resolve) => {
    near.start({
      placeFor: ({ offset }, count) => target.subarray(offset, offset + count),
      came: (_, body) => {
        cameBytes += body.length
      },
      closed: resolve,
    })
  })
  far.start({ placeFor: () => undefined, came: () => undefined, closed: () => undefined })
  return { near, far, came: () => cameBytes, closed }
}

async function sendAll(far: BulkConnection, source: Uint8Array): Promise<void> {
  for (let offset = 0; offset < source.length; offset += PIECE_BYTES) {
    const piece = source.subarray(offset, offset + PIECE_BYTES)
    await far.send(pieceAt(offset), piece)
  }
}

describe('bytes in bulk', () => {
  it('come byte for byte into shared memory, from shared memory', async () => {
    const source = new Uint8Array(new SharedArrayBuffer(9 * MIB + 5))
    for (let i = 0; i < source.length; i += 7) source[i] = i % 251
    const target = new Uint8Array(new SharedArrayBuffer(source.length))
    const { far, came } = await open(target)
    await sendAll(far, source)
    await until(() => came() === source.length)
    expect(Buffer.compare(target, source)).toBe(0)
  })

  it('are known by the node that their certificate says', async () => {
    const { near, far } = await open(new Uint8Array(0))
    expect([near.peer, far.peer]).toEqual([HOLDER.identity, READER.identity])
  })

  it('F18: of a piece that is cut off by a reset, nothing counts', async () => {
    const target = new Uint8Array(4 * PIECE_BYTES)
    const { near, far, came, closed } = await open(target)
    await far.send(pieceAt(0), new Uint8Array(PIECE_BYTES).fill(1))
    await until(() => came() === PIECE_BYTES)
    void far.send(pieceAt(PIECE_BYTES), new Uint8Array(PIECE_BYTES)).catch(() => undefined)
    far.close()
    await closed
    expect(came() % PIECE_BYTES).toBe(0)
    await caught(near.send(pieceAt(0), new Uint8Array(1)), VirgaError)
  })

  it('control messages take their turns: a round trip waits for few pieces, not for a queue', async () => {
    const source = new Uint8Array(96 * MIB)
    const { far, came } = await open(new Uint8Array(source.length))
    const asker = await reader.connect(address)
    await until(() => controls.length > 0)
    controls[0]?.start({
      onFrame: (body) => controls[0]?.send(Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), body])),
      onClose: () => undefined,
    })
    const waited: number[] = []
    let askedAt = 0
    const ask = (): void => {
      askedAt = came()
      asker.send(Buffer.alloc(FRAME_HEADER_BYTES + 16))
    }
    asker.start({
      onFrame: () => {
        waited.push(came() - askedAt)
        if (came() < source.length) ask()
      },
      onClose: () => undefined,
    })
    ask()
    await sendAll(far, source)
    await until(() => came() === source.length)
    // Four chunks of 4 MiB went ahead of it when they shared a connection.
    const meanBytes = waited.reduce((sum, each) => sum + each, 0) / waited.length
    expect(meanBytes).toBeLessThan(4 * MIB)
  })
})
