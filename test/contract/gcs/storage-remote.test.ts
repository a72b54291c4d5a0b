// RemoteStorage keeps the contract of the port, over a real socket as over memory, also while its
// connections break: a call that the host has made is not made again.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import {
  GcsUnavailableError,
  GcsWriteUnknownError,
  PeerRefusedError,
} from '../../../runtime/common/errors.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { CALLS_IN_FLIGHT_MAX, StorageHost } from '../../../runtime/gcs/storage-host.ts'
import type { StorageCalls, StorageRequest } from '../../../runtime/gcs/storage-messages.ts'
import { RemoteStorage, type StorageLink } from '../../../runtime/gcs/storage-remote.ts'
import type { RowKey, RowValue, Storage, WriteOutcome } from '../../../runtime/gcs/storage.ts'
import { Channel } from '../../../runtime/protocol/channel.ts'
import { memoryTransport } from '../../../runtime/protocol/connection-memory.ts'
import { udsTransport } from '../../../runtime/protocol/connection-uds.ts'
import type { Listener, Transport } from '../../../runtime/protocol/connection.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { ATTEMPTS } from '../../support/dynamo-storage.ts'
import { seeded } from '../../support/seeded.ts'
import { growthContract, storageContract } from './storage-contract.ts'

type StorageChannel = Channel<StorageCalls, object>
const DEPS = { clock: systemClock, codec: new ValueCodec() }

class Hosted {
  readonly memory = new MemoryStorage()
  readonly #host = new StorageHost(this.memory)
  readonly #transport: Transport
  readonly #address: string
  readonly #listening: Promise<Listener>
  /** Told of every request; true: the connection breaks before the answer leaves. */
  breaks: (request: StorageRequest) => boolean = () => false
  /** Whether a request arrives once more: at once, or when its answer is there already. */
  arrivesAgain: () => 'NOW' | 'LATER' | undefined = () => undefined
  down = false
  requests = 0

  constructor(transport: Transport, address: string) {
    this.#transport = transport
    this.#address = address
    this.#listening = transport.listen(address, (connection) => {
      const channel: StorageChannel = new Channel(connection, DEPS)
      channel.start({
        notified: () => undefined,
        closed: () => undefined,
        requested: (_, message) => {
          this.requests += 1
          const request = message as StorageRequest
          const reply = this.#host.handle(request)
          this.#repeat(request)
          if (!this.breaks(request)) return reply
          connection.close()
          return new Promise(() => undefined)
        },
      })
    })
  }

  storage(deadlineMs = 20_000): Storage {
    const connect = async (): Promise<StorageChannel> => {
      if (this.down) throw new Error('down')
      await this.#listening
      const connection = await this.#transport.connect(this.#address)
      const channel: StorageChannel = new Channel(connection, DEPS)
      channel.start({
        notified: () => undefined,
        requested: () => undefined,
        closed: () => undefined,
      })
      return channel
    }
    return new RemoteStorage({ ...ATTEMPTS, connect }, { deadlineMs })
  }

  #repeat(request: StorageRequest): void {
    const again = this.arrivesAgain()
    if (again === undefined) return
    const handle = async (): Promise<unknown> => await this.#host.handle(request)
    const run = (): void => void handle().catch(() => undefined) // nobody waits for its answer
    if (again === 'NOW') run()
    else setImmediate(run)
  }

  async close(): Promise<void> {
    await (await this.#listening).close()
  }
}

const folder = mkdtempSync(join(tmpdir(), 'virga-gcs-'))
const open: Hosted[] = []
let addresses = 0
function hosted(transport: Transport = memoryTransport(systemClock)): Hosted {
  const made = new Hosted(transport, join(folder, `gcs-${String(addresses++)}.sock`))
  open.push(made)
  return made
}
afterEach(async () => {
  for (const made of open.splice(0)) await made.close()
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

storageContract('RemoteStorage in memory', () => hosted().storage())
growthContract('RemoteStorage in memory', () => hosted().storage())
storageContract('RemoteStorage over a socket', () =>
  hosted(udsTransport(() => undefined)).storage(),
)
storageContract('RemoteStorage over connections that break', () => {
  const made = hosted()
  let requests = 0
  made.breaks = () => ++requests % 6 === 0
  return made.storage()
})

// F19: the second of them has no effect, or the contract would not hold.
storageContract('RemoteStorage, half of whose requests arrive twice', () => {
  const made = hosted()
  const random = seeded(19)
  made.arrivesAgain = () =>
    (['NOW', 'LATER', undefined, undefined] as const)[Math.floor(4 * random())]
  return made.storage()
})

describe('RemoteStorage', () => {
  const key: RowKey = { table: 'cluster', pk: 'pk', sk: 'a' }

  test.each(['CERTIFICATE', 'CLUSTER', 'VERSION'])(
    'a host that refuses this node for its %s has its word at once, unless it had taken it',
    async (reason) => {
      let dials = 0
      const link: StorageLink = { closed: true, request: () => new Promise(() => undefined) }
      const refusing = (taken: number) => (): Promise<StorageLink> => {
        dials += 1
        if (dials <= taken) return Promise.resolve(link)
        return Promise.reject(new PeerRefusedError('node a refuses node b.', { data: { reason } }))
      }
      const get = (taken: number): Promise<unknown> =>
        new RemoteStorage({ ...ATTEMPTS, connect: refusing(taken) }, { deadlineMs: 200 })
          .get({ table: 'cluster', pk: 'N#1', sk: 'a' })
          .catch((error: unknown) => error)
      expect(await get(0)).toBeInstanceOf(PeerRefusedError)
      expect(dials).toBe(1)
      dials = 0
      expect(await get(1)).toBeInstanceOf(GcsUnavailableError)
      expect(dials).toBeGreaterThan(2)
    },
  )

  test('F30: an answer that is lost with its connection is asked for again', async () => {
    const made = hosted()
    made.breaks = () => made.requests === 1
    expect(await made.storage().putIf(key, { n: 1 }, 'ABSENT')).toMatchObject({ won: true })
    expect(made.requests).toBe(2)
    expect(await made.memory.get(key)).toMatchObject({ version: 1 })
  })

  test('F19: of a request that arrives twice the second is not made', async () => {
    const host = new StorageHost(new MemoryStorage())
    const call = { kind: 'putIf', args: [key, {}, 'ABSENT'] } as const
    const request = { client: 'c', sequence: 0, endedBelow: 0, call }
    const replies = await Promise.all([host.handle(request), host.handle(request)])
    for (const reply of replies) expect(reply).toMatchObject({ won: true })
    expect(await host.handle({ ...request, client: 'd' })).toMatchObject({ won: false })
  })

  test('a write that arrives after its call has ended is not made again', async () => {
    const memory = new MemoryStorage()
    const host = new StorageHost(memory)
    await memory.putIf(key, { id: 'n', beat: 0 }, 'ABSENT')
    const beat = (sequence: number, fields: RowValue): StorageRequest => {
      const call = { kind: 'update', args: [key, fields, { fields: { id: 'n' } }] } as const
      return { client: 'c', sequence, endedBelow: sequence, call }
    }
    await host.handle(beat(0, { beat: 1 }))
    await host.handle(beat(1, { beat: 2 }))
    expect(() => host.handle(beat(0, { beat: 1 }))).toThrow('it is not made again')
    expect(await memory.get(key)).toMatchObject({ version: 3, value: { beat: 2 } })
  })

  test('a dial that fails is dialled anew by the next attempt', async () => {
    const memory = new MemoryStorage()
    const host = new StorageHost(memory)
    const request: StorageLink['request'] = async (_, message) => await host.handle(message)
    let [dials, waits] = [0, 0]
    const connect = (): Promise<StorageLink> => {
      dials += 1
      if (dials <= 3) return Promise.reject(new Error('down'))
      return Promise.resolve({ closed: false, request })
    }
    const random = {
      ...ATTEMPTS.random,
      next: () => {
        waits += 1
        return 0
      },
    }
    const storage = new RemoteStorage({ ...ATTEMPTS, random, connect })
    expect(await storage.get(key)).toBeUndefined()
    expect({ dials, waits }).toEqual({ dials: 4, waits: 3 })
  })

  test('a call that the port does not have is refused, whatever else the storage can do', async () => {
    const closed = vi.fn()
    const host = new StorageHost(Object.assign(new MemoryStorage(), { close: closed }))
    for (const kind of ['close', 'constructor', 'nonsense']) {
      const request = {
        client: 'c',
        sequence: kind.length,
        endedBelow: 0,
        call: { kind, args: [] },
      }
      await expect(host.handle(request as unknown as StorageRequest)).rejects.toMatchObject({
        code: 'ERR_UNSUPPORTED_MESSAGE',
        data: { type: kind },
      })
    }
    expect(closed).not.toHaveBeenCalled()
  })

  test('what the client has ended is forgotten; what it has not is bounded', async () => {
    const host = new StorageHost(new MemoryStorage())
    const call = { kind: 'append', args: [[{ key, value: {} }]] } as const
    for (let sequence = 0; sequence < 5000; sequence++) {
      await host.handle({ client: 'c', sequence, endedBelow: sequence, call })
    }
    const flood = (): void => {
      for (let sequence = 0; sequence < 2000; sequence++) {
        void host.handle({ client: 'd', sequence, endedBelow: 0, call })
      }
    }
    expect(flood).toThrow(/under way/)
  })

  test('more calls at once than the host takes wait their turn', async () => {
    const storage = hosted().storage()
    const writes = Array.from({ length: 3000 }, (_, index) =>
      storage.putIf({ ...key, sk: String(index) }, {}, 'ABSENT'),
    )
    expect((await Promise.all(writes)).every(({ won }) => won)).toBe(true)
  })

  test('one slow call among thousands makes none of them fail', async () => {
    const memory = new MemoryStorage()
    const slow = Promise.withResolvers<undefined>()
    const get = (asked: RowKey) => (asked.sk === 'slow' ? slow.promise : memory.get(asked))
    const host = new StorageHost(changedStorage(memory, { get }))
    const request: StorageLink['request'] = async (_, message) => await host.handle(message)
    const connect = () => Promise.resolve({ closed: false, request })
    const storage = new RemoteStorage({ ...ATTEMPTS, connect })
    const asked = storage.get({ ...key, sk: 'slow' })
    const writes: Promise<WriteOutcome>[] = []
    let written = 0
    const write = async (sk: string): Promise<WriteOutcome> => {
      const outcome = await storage.putIf({ ...key, sk }, {}, 'ABSENT')
      written += 1
      return outcome
    }
    for (let index = 0; index < 3000; index++) {
      writes.push(write(String(index)))
      if (index % 100 === 0) await new Promise(setImmediate) // so that most have ended by then
    }
    expect(written).toBe(CALLS_IN_FLIGHT_MAX - 1)
    slow.resolve(undefined)
    expect(await asked).toBeUndefined()
    expect((await Promise.all(writes)).every(({ won }) => won)).toBe(true)
  })

  test('a host that cannot be reached: nothing was written; one that breaks: unknown', async () => {
    const made = hosted()
    made.down = true
    const refused = made.storage(300).putIf(key, {}, 'ABSENT')
    await expect(refused).rejects.toBeInstanceOf(GcsUnavailableError)
    made.down = false
    made.breaks = () => true
    const unknown = made.storage(300).putIf(key, {}, 'ABSENT')
    await expect(unknown).rejects.toBeInstanceOf(GcsWriteUnknownError)
    await expect(made.storage(300).get(key)).rejects.toBeInstanceOf(GcsUnavailableError)
  })
})
