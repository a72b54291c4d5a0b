// The asking side of bytes in bulk: one connection to each node that objects are pulled from, made
// at first need and closed when nothing was asked on it for a while. What comes is put where the
// asker wants it.
// Invariants:
//   BL1. Every read ends: when all its bytes have come, when the holder refuses, when its
//        connection closes, when nothing came on that for STALL_MS (F18: half-open), when the
//        holder said LATER_MAX times that it waits itself, or that it waits for this node (WC1).
//   BL2. A read that has ended writes nowhere any more: its memory may be another object's by then.
//   BL3. A node that could not be reached is not dialled again before its pause has passed.
import type { Clock, Timer } from '../../common/clock.ts'
import { ProtocolError, StoppedError, VirgaError } from '../../common/errors.ts'
import type { PartPlace } from '../../objects/arena-access.ts'
import type { BulkConnection, BulkHead } from '../../protocol/bulk.ts'
import type { PeerTransport } from '../../protocol/peer-transport.ts'
import { decodeRefusal } from './bulk-refusal.ts'
import { PeerBreaker } from './peer-breaker.ts'
import type { PeerNode } from './peer-raylets.ts'
import { breaksCircle, decodeWay } from './waiting-way.ts'

/** A range of an object. */
export interface ObjectRange {
  readonly objectId: string
  readonly offset: number
  readonly sizeBytes: number
}

export interface Reading {
  /** BL1, BL2. */
  readonly done: Promise<void>
  readonly range: ObjectRange
  /** Whom it waits for: the holder, whom that said to wait for itself, and so on. */
  way(): readonly string[]
  /** It is not wanted any more: `done` rejects, at the latest when the piece under way has come. */
  cancel(): void
}

/** A holder that waits for a part itself says so every second. */
const STALL_MS = 5_000
const LATER_MAX = 30
/** A dial costs two round trips and a handshake; an open lane, a socket at both ends. */
const IDLE_MS = 10_000

export interface BulkLanesDeps {
  readonly transport: Pick<PeerTransport, 'connectBulk'>
  readonly clock: Clock
  /** Hex. */
  readonly nodeId: string
}

type Placed = (offset: number, sizeBytes: number) => PartPlace

interface Request {
  readonly range: ObjectRange
  readonly place: Placed
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  readonly writes: Promise<void>[]
  gotBytes: number
  laterCount: number
  /** Whom the holder waits for, as it said last. */
  way: readonly string[]
  cancelled: boolean
}

export class BulkLanes {
  readonly breaker: PeerBreaker
  readonly #deps: BulkLanesDeps
  /** By address. At most one for each living node. */
  readonly #lanes = new Map<string, Promise<Lane>>()
  #isClosed = false

  constructor(deps: BulkLanesDeps) {
    this.#deps = deps
    this.breaker = new PeerBreaker(deps.clock)
  }

  /** @param place  asked for each part, in order. */
  read(node: PeerNode, range: ObjectRange, place: Placed): Reading {
    let reading: Pick<Reading, 'way' | 'cancel'> | undefined
    let cancelled = false
    const begun = async (): Promise<void> => {
      const lane = await this.#laneTo(node)
      if (cancelled) throw notWanted()
      const begunReading = lane.read(range, place)
      reading = begunReading
      await begunReading.done
    }
    return {
      done: begun(),
      range,
      way: () => [node.nodeId, ...(reading?.way() ?? [])],
      cancel: () => {
        cancelled = true
        reading?.cancel()
      },
    }
  }

  /** That epoch of the node is no member any more. */
  forget({ nodeId, address }: PeerNode): void {
    this.breaker.forget(nodeId)
    const lane = this.#lanes.get(address)
    this.#lanes.delete(address)
    lane?.then(
      (made) => {
        made.close()
      },
      () => undefined, // it was not made: nothing is to be closed
    )
  }

  close(): void {
    this.#isClosed = true
    for (const address of [...this.#lanes.keys()]) this.forget({ nodeId: '', address })
  }

  /** BL3. */
  #laneTo({ nodeId, address }: PeerNode): Promise<Lane> {
    if (this.#isClosed) return Promise.reject(new StoppedError('this node is leaving'))
    const known = this.#lanes.get(address)
    if (known !== undefined) return known
    const why = this.breaker.why(nodeId)
    if (why !== undefined) return Promise.reject(new VirgaError(why))
    const made = this.#dial(nodeId, address, () => {
      if (this.#lanes.get(address) === made) this.#lanes.delete(address)
    })
    this.#lanes.set(address, made)
    return made
  }

  async #dial(nodeId: string, address: string, gone: () => void): Promise<Lane> {
    const { transport } = this.#deps
    try {
      const connection = await transport.connectBulk(address)
      this.breaker.worked(nodeId)
      return new Lane(connection, this.#deps, (error) => {
        gone()
        if (error !== undefined) this.breaker.failed(nodeId, error.message)
      })
    } catch (error) {
      gone()
      this.breaker.failed(nodeId, String(error))
      throw error
    }
  }
}

/** One connection that was dialled here. */
class Lane {
  readonly #connection: BulkConnection
  readonly #deps: Pick<BulkLanesDeps, 'clock' | 'nodeId'>
  readonly #requests = new Map<number, Request>()
  /** Whose piece is coming now, and where it is put. */
  #coming: { readonly request: Request; readonly part: PartPlace } | undefined
  #nextRequest = 1
  #sending: Promise<void> = Promise.resolve()
  #timer: Timer | undefined
  #stalled: Error | undefined

  /** @param closed  told the error when the holder gave no sign of life: one that breaks is dialled
   *  again at once. */
  constructor(
    connection: BulkConnection,
    deps: Pick<BulkLanesDeps, 'clock' | 'nodeId'>,
    closed: (error: Error | undefined) => void,
  ) {
    this.#connection = connection
    this.#deps = deps
    connection.start({
      placeFor: (head, bodyBytes) => this.#placeFor(head, bodyBytes),
      came: (head, body) => {
        this.#came(head, body)
      },
      closed: (error) => {
        closed(this.#ended(error))
      },
    })
    this.#arm()
  }

  read(range: ObjectRange, place: Placed): Omit<Reading, 'range'> {
    const number = this.#nextRequest++
    const { promise: done, resolve, reject } = Promise.withResolvers<void>()
    const begun = { gotBytes: 0, laterCount: 0, way: [], cancelled: false }
    const request: Request = { range, place, resolve, reject, writes: [], ...begun }
    this.#requests.set(number, request)
    const { offset, sizeBytes, objectId } = range
    const head = { kind: 'ASK', request: number, offset, sizeBytes } as const
    this.#send(head, Buffer.from(objectId, 'latin1'))
    this.#arm()
    return {
      done,
      way: () => request.way,
      cancel: () => {
        this.#cancel(number)
      },
    }
  }

  close(): void {
    this.#connection.close()
  }

  /** BL2. */
  #cancel(number: number): void {
    const request = this.#requests.get(number)
    if (request === undefined || request.cancelled) return
    request.cancelled = true
    this.#send({ kind: 'CANCEL', request: number, offset: 0, sizeBytes: 0 }, NOTHING)
    if (this.#coming?.request === request) return
    this.#requests.delete(number)
    void this.#end(request, notWanted())
  }

  /** Whatever cannot be sent ends with the connection. */
  #send(head: BulkHead, body: Uint8Array): void {
    this.#sending = this.#sending
      .then(() => this.#connection.send(head, body))
      .catch(() => undefined)
  }

  #placeFor(
    { kind, request: number, offset }: BulkHead,
    bodyBytes: number,
  ): Uint8Array | undefined {
    const request = this.#requests.get(number)
    if (kind !== 'PIECE' || request === undefined) return undefined
    const { range, gotBytes, place } = request
    if (offset !== range.offset + gotBytes || gotBytes + bodyBytes > range.sizeBytes) {
      throw new ProtocolError('a piece came that is none of those that were asked for')
    }
    const part = place(offset, bodyBytes)
    this.#coming = { request, part }
    return part.bytes
  }

  #came({ kind, request: number }: BulkHead, body: Uint8Array): void {
    this.#arm()
    const request = this.#requests.get(number)
    const coming = this.#coming
    this.#coming = undefined
    if (request === undefined) return
    if (kind === 'LATER') this.#later(number, request, decodeWay(body))
    else if (kind === 'REFUSED') {
      this.#requests.delete(number)
      void this.#end(request, decodeRefusal(body))
    }
    if (coming === undefined) return
    const written = request.cancelled ? undefined : coming.part.written?.()
    if (written !== undefined) request.writes.push(written)
    request.gotBytes += body.length
    if (!request.cancelled && request.gotBytes < request.range.sizeBytes) return
    this.#requests.delete(number)
    void this.#end(request, request.cancelled ? notWanted() : undefined)
    this.#arm()
  }

  #later(number: number, request: Request, way: readonly string[]): void {
    request.laterCount += 1
    request.way = way
    const holder = this.#connection.peer.nodeId
    const isCircle = breaksCircle(this.#deps.nodeId, [holder, ...way])
    if (!isCircle && request.laterCount < LATER_MAX) return
    this.#requests.delete(number)
    this.#send({ kind: 'CANCEL', request: number, offset: 0, sizeBytes: 0 }, NOTHING)
    const why = isCircle ? 'waits for this node' : `itself got nothing for ${LATER_MAX} s`
    void this.#end(request, new VirgaError(`the holder ${why}`))
  }

  /** BL2. */
  async #end({ writes, resolve, reject }: Request, error: Error | undefined): Promise<void> {
    const ended = await Promise.allSettled(writes)
    const failed = ended.find(({ status }) => status === 'rejected')
    if (error !== undefined) reject(error)
    else if (failed?.status === 'rejected') reject(failed.reason as Error)
    else resolve()
  }

  /** @returns an error when nothing came for too long. */
  #ended(error: Error | undefined): Error | undefined {
    this.#timer?.cancel()
    this.#coming = undefined
    const why = this.#stalled ?? error ?? new VirgaError('the holder closed the connection')
    const requests = [...this.#requests.values()]
    this.#requests.clear()
    for (const request of requests) void this.#end(request, why)
    return this.#stalled
  }

  /** BL1. To be called whenever something came, or was asked for. */
  #arm(): void {
    this.#timer?.cancel()
    const isIdle = this.#requests.size === 0
    this.#timer = this.#deps.clock.after(isIdle ? IDLE_MS : STALL_MS, () => {
      if (!isIdle) this.#stalled = new VirgaError(`nothing came for ${String(STALL_MS)} ms`)
      this.#connection.close()
    })
  }
}

const NOTHING = new Uint8Array(0)
export const notWanted = (): StoppedError => new StoppedError('nobody wants this object any more')
