// Every transport keeps the contract of protocol/connection.ts (N1 to N3): Unix sockets, TCP under
// TLS between two nodes, and the one inside a process.
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { memoryTransport } from '../../../runtime/protocol/connection-memory.ts'
import { tcpTransport } from '../../../runtime/protocol/connection-tcp.ts'
import { udsTransport } from '../../../runtime/protocol/connection-uds.ts'
import { listening } from '../../../runtime/protocol/connection-socket-system.ts'
import {
  FRAME_HEADER_BYTES,
  type Connection,
  type Listener,
  type Transport,
} from '../../../runtime/protocol/connection.ts'
import { certifiedNode, tcpOptions } from '../../support/certified-nodes.ts'
import { until } from '../../support/waiting.ts'

interface End {
  readonly connection: Connection
  readonly frames: string[]
  closes: number
  error: Error | undefined
  drained: () => void
}

let folder: string
let listener: Listener | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virga-test-'))
})
afterEach(async () => {
  await listener?.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Wiring {
  readonly transport: Transport
  /** Where to listen, and an address where nobody does. */
  readonly address: string
  readonly nowhere: string
}

const uds = udsTransport(() => undefined)

const unixSockets = (): Wiring => ({
  transport: uds,
  address: join(folder, 'a.sock'),
  nowhere: join(folder, 'nobody.sock'),
})

/** A node that dials itself: who is who is tested in connection-tcp.test.ts. */
const tls = (): Wiring => ({
  transport: tcpTransport(tcpOptions(certifiedNode())),
  address: '127.0.0.1:0',
  nowhere: '127.0.0.1:1/3fab/1',
})

const wirings: readonly [name: string, make: () => Wiring][] = [
  ['uds', unixSockets],
  ['tcp', tls],
  ['memory', () => ({ ...unixSockets(), transport: memoryTransport(systemClock) })],
]

describe.each(wirings)('transport %s', (_, make) => {
  it('N1 also of frames whose end lies elsewhere', async () => {
    const { near, far } = await pair(make())
    const texts = Array.from({ length: 200 }, (_, i) => `${i} ${'x'.repeat((i * 9973) % 90_000)}`)
    for (const [i, text] of texts.entries()) {
      if (i % 3 === 0) near.connection.send(frame(text))
      else near.connection.sendWith?.(frame(text.slice(0, i)), Buffer.from(text.slice(i)))
    }
    await until(() => far.frames.length >= texts.length)
    expect(far.frames).toEqual(texts)
  })

  it('N1 hands out whole frames, once, in the order sent, both ways', async () => {
    const { near, far } = await pair(make())
    const texts = Array.from({ length: 500 }, (_, i) => `${i} ${'x'.repeat((i * 997) % 9000)}`)
    for (const text of texts) {
      near.connection.send(frame(text))
      far.connection.send(frame(text))
    }
    await until(() => far.frames.length === texts.length && near.frames.length === texts.length)
    expect(far.frames).toEqual(texts)
    expect(near.frames).toEqual(texts)
  })

  it('N1 what was sent before a close arrives, also when the peer is writing meanwhile', async () => {
    const { near, far } = await pair(make())
    for (let i = 0; i < 100; i += 1) near.connection.send(frame(`last words ${i}`))
    near.connection.close()
    // The peer does not know yet, and goes on sending.
    for (let i = 0; i < 100; i += 1) {
      far.connection.send(frame('stop'))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => far.closes === 1)
    expect(far.frames).toHaveLength(100)
  })

  it('N2 tells a close once on each side, hands out nothing after it, ignores sends', async () => {
    const { near, far } = await pair(make())
    near.connection.close()
    near.connection.close()
    await until(() => near.closes === 1 && far.closes === 1)
    near.connection.send(frame('too late'))
    far.connection.send(frame('too late'))
    await new Promise((resolve) => setImmediate(resolve))
    expect([near.closes, far.closes, near.frames.length, far.frames.length]).toEqual([1, 1, 0, 0])
    expect([near.error, far.error]).toEqual([undefined, undefined])
  })

  it('tells when all that was sent was taken, after a peer that did not read', async () => {
    const { near, far } = await pair(make())
    const block = 'x'.repeat(1024 * 1024)
    let drains = 0
    near.drained = () => {
      drains += 1
    }
    for (let i = 0; i < 16; i += 1) near.connection.send(frame(block))
    expect(near.connection.bufferedBytes).toBeGreaterThan(0)
    await until(() => drains > 0)
    await until(() => far.frames.length === 16)
    expect(near.connection.bufferedBytes).toBe(0)
    expect(far.frames.every((text) => text === block)).toBe(true)
  })

  it('hands out what was sent in the turn in which the connection was made', async () => {
    const { transport, address } = make()
    listener = await transport.listen(address, (connection) => {
      connection.start({ onFrame: () => undefined, onClose: () => undefined })
      connection.send(frame('welcome'))
    })
    const near = watch(await transport.connect(listener.address))
    await until(() => near.frames.length === 1)
    expect(near.frames).toEqual(['welcome'])
  })

  it('refuses to connect where nobody listens', async () => {
    const { transport, nowhere } = make()
    await expect(transport.connect(nowhere)).rejects.toThrow()
  })
})

describe('transport uds', () => {
  it('N3 a frame that breaks the framing closes that connection only', async () => {
    const { near, far } = await pair(unixSockets())
    const ends: End[] = [far]
    await listener?.close()
    listener = await uds.listen(join(folder, 'b.sock'), (connection) => {
      ends.push(watch(connection))
    })
    const stranger = createConnection(join(folder, 'b.sock'))
    stranger.on('error', () => undefined) // the other side hangs up
    stranger.write(Buffer.from([9, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]))
    await until(() => ends[1]?.closes === 1)
    expect(ends[1]?.error?.message).toContain('checksum')
    expect(ends[1]?.frames).toEqual([])
    const other = await uds.connect(join(folder, 'b.sock'))
    other.start({ onFrame: () => undefined, onClose: () => undefined })
    other.send(frame('still served'))
    await until(() => ends[2]?.frames.length === 1)
    expect(near.frames).toEqual([])
    other.close()
  })

  it('a peer that does not close in turn is given up', async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.resume()
    })
    const path = join(folder, 'stuck.sock')
    await new Promise<void>((resolve) => {
      server.listen(path, resolve)
    })
    const near = watch(await uds.connect(path))
    near.connection.close()
    await until(() => near.closes === 1)
    server.close()
  })
})

describe('a socket that is listened on', () => {
  it('tells of every connection that the system could not accept, and listens on', async () => {
    const refused: string[] = []
    let accepted = 0
    const server = createServer(() => {
      accepted += 1
    })
    const path = join(folder, 'full.sock')
    const tell = (error: Error): void => {
      refused.push(error.message)
    }
    const close = await listening({ server, at: { path }, refused: tell })
    // What Node does when accept() fails, as without memory for one more.
    server.emit('error', new Error('accept ENOBUFS'))
    server.emit('error', new Error('accept ENOBUFS again'))
    expect(refused).toEqual(['accept ENOBUFS', 'accept ENOBUFS again'])
    watch(await uds.connect(path))
    await until(() => accepted === 1)
    await close()
  })

  it('is not listened on twice: who comes second is told', async () => {
    const { transport, address } = unixSockets()
    listener = await transport.listen(address, () => undefined)
    await expect(transport.listen(address, () => undefined)).rejects.toThrow('EADDRINUSE')
  })
})

async function pair({ transport, address }: Wiring): Promise<{ near: End; far: End }> {
  let far: End | undefined
  listener = await transport.listen(address, (connection) => {
    far = watch(connection)
  })
  const near = watch(await transport.connect(listener.address))
  await until(() => far !== undefined)
  return { near, far: far as End }
}

function watch(connection: Connection): End {
  const end: End = { connection, frames: [], closes: 0, error: undefined, drained: () => undefined }
  connection.start({
    onFrame: (body) => {
      end.frames.push(body.toString())
    },
    onDrain: () => {
      end.drained()
    },
    onClose: (error) => {
      end.closes += 1
      end.error = error
    },
  })
  return end
}

function frame(text: string): Buffer {
  return Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), Buffer.from(text)])
}
