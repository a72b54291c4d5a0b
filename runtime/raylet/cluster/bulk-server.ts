// The giving side of bytes in bulk: what other nodes ask for on a connection that they dialled, one
// piece after the other as the machine takes them, from where they lie in the store.
// Invariants:
//   BV1. One piece of a connection is on its way at a time: the next waits until the machine has
//        taken it, so that nothing queues here and control messages get their turns between.
//   BV2. What is asked for and not here yet is told so every second, with whom it waits for, until
//        it comes or cannot.
//   BV3. A connection that asks for more than ASKED_MAX at once is closed.
import type { Clock, Timer } from '../../common/clock.ts'
import { VirgaError } from '../../common/errors.ts'
import type { Log } from '../../common/log.ts'
import { PIECE_BYTES, type BulkConnection, type BulkHead } from '../../protocol/bulk.ts'
import type { ObjectRange } from './bulk-lanes.ts'
import { encodeRefusal } from './bulk-refusal.ts'
import type { NodeLife } from './given-objects.ts'
import { encodeWay } from './waiting-way.ts'

/** Far above the window of any pull manager. */
const ASKED_MAX = 1_024
const LATER_MS = 1_000

/** An object whose wanted range is here. */
export interface PartSource {
  /** The bytes in place, or a copy; unchanged until the next read, or `close`. */
  read(offset: number, sizeBytes: number): Promise<Uint8Array>
  close(): void
}

export interface BulkServerDeps {
  readonly clock: Clock
  readonly log: Log
  /** Resolves when the range is here. @throws VirgaError when it will not come. */
  readonly open: (range: ObjectRange, asker: NodeLife) => Promise<PartSource>
  /** BV2. Nodes that the range comes from, one behind the other (WC1). */
  readonly wayOf: (range: ObjectRange) => readonly string[]
}

export class BulkServer {
  readonly #deps: BulkServerDeps
  readonly #connections = new Map<BulkConnection, Serving>()

  constructor(deps: BulkServerDeps) {
    this.#deps = deps
  }

  serve(connection: BulkConnection): void {
    const serving = new Serving(connection, this.#deps)
    this.#connections.set(connection, serving)
    connection.start({
      placeFor: () => undefined,
      came: (head, body) => {
        serving.came(head, body)
      },
      closed: () => {
        this.#connections.delete(connection)
        serving.closed()
      },
    })
  }

  /** That node is no member any more. */
  forget(nodeId: string): void {
    for (const each of this.#connections.keys()) if (each.peer.nodeId === nodeId) each.close()
  }

  /** Nothing is read from the store any more. */
  close(): void {
    for (const [connection, serving] of this.#connections) {
      serving.closed()
      connection.close()
    }
  }
}

interface Asked {
  readonly request: number
  readonly range: ObjectRange
}

/** One connection that another node dialled. */
class Serving {
  readonly #connection: BulkConnection
  readonly #deps: BulkServerDeps
  /** By the asker's number: not ended, and not cancelled. */
  readonly #asked = new Map<number, Asked>()
  /** BV1: what is sent next waits for it. */
  #sending: Promise<void> = Promise.resolve()
  #timer: Timer | undefined
  #isClosed = false

  constructor(connection: BulkConnection, deps: BulkServerDeps) {
    this.#connection = connection
    this.#deps = deps
  }

  came({ kind, request, offset, sizeBytes }: BulkHead, body: Uint8Array): void {
    if (kind === 'CANCEL') this.#asked.delete(request)
    if (kind !== 'ASK') return
    if (this.#asked.size >= ASKED_MAX) {
      const { nodeId } = this.#connection.peer
      this.#deps.log.warn('a node asks for too much at once; its connection is closed', { nodeId })
      this.#connection.close()
      return
    }
    const range = { objectId: Buffer.from(body).toString('latin1'), offset, sizeBytes }
    const asked = { request, range }
    this.#asked.set(request, asked)
    void this.#give(asked)
    this.#timer ??= this.#deps.clock.after(LATER_MS, () => {
      this.#tellLater()
    })
  }

  closed(): void {
    this.#isClosed = true
    this.#asked.clear()
    this.#timer?.cancel()
  }

  async #give(asked: Asked): Promise<void> {
    const { request } = asked
    try {
      const source = await this.#deps.open(asked.range, this.#connection.peer)
      try {
        await this.#inTurn(() => this.#sendPieces(asked, source))
      } finally {
        source.close()
      }
    } catch (error) {
      if (!(error instanceof VirgaError)) throw error // a bug: the process ends
      const head = { kind: 'REFUSED', request, offset: 0, sizeBytes: 0 } as const
      const words = encodeRefusal(error)
      await this.#inTurn(() => this.#send(head, words))
    } finally {
      this.#asked.delete(request)
    }
  }

  async #sendPieces({ request, range }: Asked, source: PartSource): Promise<void> {
    const end = range.offset + range.sizeBytes
    for (let offset = range.offset; offset < end && this.#isWanted(request);) {
      const sizeBytes = Math.min(PIECE_BYTES, end - offset)
      const bytes = await source.read(offset, sizeBytes)
      await this.#send({ kind: 'PIECE', request, offset, sizeBytes }, bytes)
      offset += sizeBytes
    }
  }

  #isWanted(request: number): boolean {
    return !this.#isClosed && this.#asked.has(request)
  }

  /** BV1. */
  #inTurn(send: () => Promise<void>): Promise<void> {
    const sending = this.#sending.then(send)
    this.#sending = sending.catch(() => undefined) // whoever waits for it has its error
    return sending
  }

  /** A connection that broke is told to its asker by its close. */
  async #send(head: BulkHead, body: Uint8Array): Promise<void> {
    if (this.#isClosed) return
    await this.#connection.send(head, body).catch(() => {
      this.#isClosed = true
    })
  }

  /** BV2. */
  #tellLater(): void {
    this.#timer = undefined
    const [first] = this.#asked.values()
    if (first === undefined || this.#isClosed) return
    void this.#inTurn(() =>
      this.#send(
        { kind: 'LATER', request: first.request, offset: 0, sizeBytes: 0 },
        encodeWay(this.#deps.wayOf(first.range)),
      ),
    )
    this.#timer = this.#deps.clock.after(LATER_MS, () => {
      this.#tellLater()
    })
  }
}
