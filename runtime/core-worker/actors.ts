// The caller's side of actors: one queue per actor, in the caller's order, straight to its worker.
//   call ─► queue ─► (dependencies in, actor ALIVE) ─► push ─► reply
// Invariants:
//   CA1. Calls of this caller leave in the order made; a call that waits for a dependency holds the
//       ones behind it.
//   CA2. When the actor's worker dies, every call in flight is told: retried under maxTaskRetries,
//       ActorUnavailableError if the actor may return, ActorDiedError if it is dead. That is
//       settled when its connection has closed: the raylet's word may overtake its last replies.
// Source: Ray actor_task_submitter.cc.
import { fromWire, toWire } from '../common/error-wire.ts'
import {
  ActorDiedError,
  ActorUnavailableError,
  PendingCallsLimitError,
  type VirgaError,
} from '../common/errors.ts'
import type { Clock } from '../common/clock.ts'
import { toHex, type ActorId } from '../common/ids.ts'
import { PUSH_BYTES_MAX } from '../common/limits.ts'
import type { ActorInfo, ActorView } from '../protocol/messages.ts'
import { Fifo } from './fifo.ts'
import type { Peer } from './peers.ts'
import { pushTasks } from './push.ts'
import type { TaskEnds } from './task-ends.ts'
import { DONE, type TaskRecord } from './task-record.ts'

/** How long a closed connection waits for the raylet to say what became of the actor. */
const REDIAL_MS = 200
/** How long the replies of a dead actor may take that it sent while it lived. */
const LAST_WORDS_MS = 1000

export interface ActorsDeps {
  dial(address: string): Peer
  watch(actorId: ActorId): Promise<ActorView>
  readonly ends: Pick<TaskEnds, 'fail' | 'failLost'>
  readonly clock: Clock
}

interface ActorClient {
  readonly actorId: ActorId
  readonly className: string
  readonly queue: Fifo<TaskRecord>
  /** In flight when its worker went away; sorted out when the actor's next phase is known. */
  limbo: TaskRecord[]
  view: ActorView | undefined
  peer: Peer | undefined
  pendingCalls: number
  scheduled: boolean
  forgetClose: (() => void) | undefined
}

export class Actors {
  readonly #deps: ActorsDeps
  /** Actors with a handle or a pending call here; their queues hold what the program called. */
  readonly #clients = new Map<ActorId, ActorClient>()

  constructor(deps: ActorsDeps) {
    this.#deps = deps
  }

  /** Queues a call; its record is made by `make`, after the limit was checked. */
  call(info: ActorInfo, make: () => TaskRecord): TaskRecord {
    const client = this.#client(info)
    if (info.maxPendingCalls >= 0 && client.pendingCalls >= info.maxPendingCalls) {
      throw new PendingCallsLimitError(
        `${info.className} has ${String(client.pendingCalls)} pending calls of this caller, its ` +
          `maxPendingCalls; await some of them first`,
        { data: { maxPendingCalls: info.maxPendingCalls } },
      )
    }
    const record = make()
    client.pendingCalls += 1
    const { onEnd } = record
    record.onEnd = () => {
      onEnd?.()
      client.pendingCalls -= 1
      this.#pumpSoon(client)
    }
    client.queue.push(record)
    this.#pumpSoon(client)
    return record
  }

  /** A record's dependencies are in. */
  ready(record: TaskRecord): void {
    const client = this.#clientOf(record)
    if (client !== undefined) this.#pumpSoon(client)
  }

  /** Puts a call back for its next attempt. */
  again(record: TaskRecord): void {
    const client = this.#clientOf(record)
    if (client === undefined) return
    record.peer = undefined
    client.queue.unshift([record])
    this.#pumpSoon(client)
  }

  /** The call in front of this one, of the same caller, that waits for its dependencies. */
  holding(record: TaskRecord): TaskRecord | undefined {
    for (const before of this.#clientOf(record)?.queue ?? []) {
      if (before === record) return undefined
      if (before.args === undefined && before.phase !== DONE) return before
    }
    return undefined
  }

  changed(view: ActorView): void {
    const client = this.#clients.get(view.actorId)
    if (client === undefined || isStale(client.view, view)) return
    client.view = view
    if (view.phase === 'ALIVE') this.#alive(client, view)
    else if (view.phase === 'DEAD') {
      this.#dead(client, view)
      if (client.peer !== undefined) this.#giveUpSoon(client, view)
    } else this.#sortOut(client)
  }

  /** Resolves when the actor is constructed. @throws what ended it instead */
  async constructed(info: ActorInfo): Promise<void> {
    const client = this.#client(info)
    await new Promise<void>((resolve, reject) => {
      this.#whenSettled(client, (view) => {
        if (view.phase === 'ALIVE') resolve()
        else reject(deathOf(client, view))
      })
    })
  }

  forget(actorId: ActorId): void {
    const client = this.#clients.get(actorId)
    if (client === undefined || client.pendingCalls > 0) return
    client.forgetClose?.()
    this.#clients.delete(actorId)
  }

  /** Of create() calls that wait. */
  readonly #waiting = new Map<ActorClient, ((view: ActorView) => void)[]>()

  #whenSettled(client: ActorClient, run: (view: ActorView) => void): void {
    const { view } = client
    if (view !== undefined && (view.phase === 'ALIVE' || view.phase === 'DEAD')) {
      run(view)
      return
    }
    const list = this.#waiting.get(client)
    if (list === undefined) this.#waiting.set(client, [run])
    else list.push(run)
  }

  #client(info: ActorInfo): ActorClient {
    let client = this.#clients.get(info.actorId)
    if (client !== undefined) return client
    client = {
      actorId: info.actorId,
      className: info.className,
      queue: new Fifo(),
      limbo: [],
      view: undefined,
      peer: undefined,
      pendingCalls: 0,
      scheduled: false,
      forgetClose: undefined,
    }
    this.#clients.set(info.actorId, client)
    const { actorId } = info
    this.#deps.watch(actorId).then(
      (view) => {
        this.changed(view)
      },
      (error: VirgaError) => {
        const { actorId, view } = client
        const incarnation = view?.incarnation ?? 0
        this.changed({
          actorId,
          phase: 'DEAD',
          incarnation,
          address: '',
          workerId: undefined,
          error: toWire(error),
        })
      },
    )
    return client
  }

  #clientOf(record: TaskRecord): ActorClient | undefined {
    const { actorId } = record.kind
    return actorId === undefined ? undefined : this.#clients.get(actorId)
  }

  #pumpSoon(client: ActorClient): void {
    if (client.scheduled) return
    client.scheduled = true
    this.#deps.clock.microtask(() => {
      client.scheduled = false
      this.#pump(client)
    })
  }

  #pump(client: ActorClient): void {
    const { peer, queue, view } = client
    if (view?.phase === 'DEAD') {
      this.#dead(client, view)
      return
    }
    // Pumped again once it is connected. Word of its end may come before its connection closes.
    if (view?.phase !== 'ALIVE' || peer?.channel === undefined || peer.closed) return
    while (!peer.congested) {
      const records = takeReady(queue)
      if (records.length === 0) return
      pushTasks(peer, records)
    }
    peer.whenDrained(client, () => {
      this.#pumpSoon(client)
    })
  }

  #alive(client: ActorClient, view: ActorView): void {
    const peer = this.#deps.dial(view.address)
    client.peer = peer
    // An earlier one is heard until it closes: what was in flight there is told then.
    client.forgetClose = peer.whenClosed(() => {
      this.#disconnected(client, peer)
    })
    this.#sortOut(client)
    this.#settled(client, view)
    peer.with(() => {
      this.#pumpSoon(client)
    })
  }

  #disconnected(client: ActorClient, peer: Peer): void {
    client.limbo.push(...peer.takeInFlight())
    const { view } = client
    if (client.peer !== peer) {
      // Its next life is known already.
      this.#sortOut(client)
      this.#pumpSoon(client)
      return
    }
    client.peer = undefined
    if (view?.phase === 'DEAD') this.#dead(client, view)
    else if (view?.phase === 'RESTARTING') this.#sortOut(client)
    else this.#redialSoon(client, view)
  }

  /** The word of its death is on its way; if none comes, only the connection broke. */
  #redialSoon(client: ActorClient, view: ActorView | undefined): void {
    this.#deps.clock.after(REDIAL_MS, () => {
      if (view === undefined || client.view !== view || client.peer !== undefined) return
      this.#alive(client, view)
    })
  }

  /** What was in flight at a lost incarnation: retry, or tell. */
  #sortOut(client: ActorClient): void {
    const limbo = client.limbo
    client.limbo = []
    const again: TaskRecord[] = []
    for (const record of limbo) {
      if (record.phase === DONE) continue
      record.timer?.cancel()
      if (record.retriesLeft === 0) {
        this.#deps.ends.failLost(record, unavailable(client, record))
        continue
      }
      record.retriesLeft -= 1
      record.attempt += 1
      record.peer = undefined
      again.push(record)
    }
    client.queue.unshift(again)
  }

  #dead(client: ActorClient, view: ActorView): void {
    this.#settled(client, view)
    this.#failAll(client, deathOf(client, view))
  }

  /** Its process may outlive it, for what it owns: then its connection does not close. */
  #giveUpSoon(client: ActorClient, view: ActorView): void {
    this.#deps.clock.after(LAST_WORDS_MS, () => {
      client.limbo.push(...(client.peer?.takeInFlight() ?? []))
      client.peer = undefined
      this.#dead(client, view)
    })
  }

  #failAll(client: ActorClient, error: VirgaError): void {
    const lost = client.limbo
    client.limbo = []
    for (const record of lost) this.#deps.ends.failLost(record, error)
    for (const record of client.queue.drain()) this.#deps.ends.fail(record, error)
  }

  #settled(client: ActorClient, view: ActorView): void {
    const waiting = this.#waiting.get(client) ?? []
    this.#waiting.delete(client)
    for (const run of waiting) run(view)
  }
}

const ORDER = ['DEPENDENCIES_UNREADY', 'PENDING_CREATION', 'RESTARTING', 'ALIVE', 'DEAD']

/** The next calls in order whose dependencies are in, up to PUSH_BYTES_MAX of arguments. */
function takeReady(queue: Fifo<TaskRecord>): TaskRecord[] {
  const records: TaskRecord[] = []
  let sizeBytes = 0
  for (let head = queue.peek(); head !== undefined; head = queue.peek()) {
    if (head.phase === DONE) queue.shift()
    else if (head.args === undefined || sizeBytes > PUSH_BYTES_MAX) break
    else {
      queue.shift()
      records.push(head)
      sizeBytes += head.argsBytes
    }
  }
  return records
}

function isStale(known: ActorView | undefined, view: ActorView): boolean {
  if (known === undefined) return false
  if (known.phase === 'DEAD') return true
  if (view.incarnation !== known.incarnation) return view.incarnation < known.incarnation
  return ORDER.indexOf(view.phase) <= ORDER.indexOf(known.phase)
}

function deathOf(client: ActorClient, view: ActorView): VirgaError {
  if (view.error !== undefined) return fromWire(view.error)
  const id = toHex(client.actorId)
  return new ActorDiedError(`actor ${client.className} (${id}) is dead. Create a new one.`)
}

function unavailable(client: ActorClient, record: TaskRecord): ActorUnavailableError {
  return new ActorUnavailableError(
    `${record.kind.name} was under way when the worker of ${client.className} died; it may or may ` +
      'not have run. The actor restarts: call again if that is safe, or set maxTaskRetries.',
    { data: { actorId: toHex(client.actorId), method: record.kind.method, mayHaveRun: 'unknown' } },
  )
}
