// The caller's side of one actor: a queue in the caller's order, straight to the actor's worker,
// from life to life.
//   call ─► queue ─► (dependencies in, actor ALIVE) ─► push ─► reply
// Invariants:
//   CA1. Calls of this caller leave in the order made; a call that waits for a dependency holds the
//       ones behind it.
//   CA2. When the actor's worker dies, every call in flight is told: retried under maxTaskRetries,
//       ActorUnavailableError if the actor may return, ActorDiedError if it is dead. That is
//       settled when its connection has closed: the raylet's word may overtake its last replies.
// Source: Ray actor_task_submitter.cc.
import { fromWire } from '../common/error-wire.ts'
import { ActorDiedError, ActorUnavailableError, type VirgaError } from '../common/errors.ts'
import type { Clock, Timer } from '../common/clock.ts'
import { toHex, type ActorId } from '../common/ids.ts'
import { ACTOR_WORD_MS_MAX, PUSH_BYTES_MAX } from '../common/limits.ts'
import { isStaleView } from '../protocol/actor-view.ts'
import type { ActorInfo, ActorView } from '../protocol/actor-messages.ts'
import { Fifo } from './fifo.ts'
import { MakerWatch, neverMade } from './maker-watch.ts'
import type { Peer } from './peers.ts'
import { pushTasks } from './push.ts'
import type { TaskEnds } from './task-ends.ts'
import { DONE, type TaskRecord } from './task-record.ts'

/** Between the end of a connection, or of a dial, and the next dial. */
const REDIAL_MS = 200
/** How long the replies of a dead actor may take that it sent while it lived. */
const LAST_WORDS_MS = 1000

export interface ActorClientDeps {
  dial(address: string): Peer
  readonly ends: Pick<TaskEnds, 'fail'>
  readonly clock: Clock
  readonly ownAddress: string
  /** What is behind a handle, once its actor is known: getIfExists may have found another. */
  real(info: ActorInfo): Pick<ActorInfo, 'maxTaskRetries'>
  /** Another process than the one that was to make it may have done so, anywhere. */
  lookAgain(info: ActorInfo): void
}

export class ActorClient {
  readonly #deps: ActorClientDeps
  readonly #info: ActorInfo
  readonly #actorId: ActorId
  readonly #className: string
  /** What the program called and has not been pushed. */
  readonly #queue = new Fifo<TaskRecord>()
  /** Those of the queue that wait for their dependencies. */
  readonly #unready = new Set<TaskRecord>()
  /** In flight when its worker went away; sorted out when the actor's next phase is known. */
  readonly #limbo: TaskRecord[] = []
  /** Until what is in limbo is told without word of the actor. */
  #wordTimer: Timer | undefined
  #view: ActorView | undefined
  #peer: Peer | undefined
  #pendingCalls = 0
  #scheduled = false
  #forgetClose: (() => void) | undefined
  /** While it is not made, and calls of it wait. */
  #makerWatch: MakerWatch | undefined
  /** Of create() calls that wait. */
  #waiting: { readonly run: (view: ActorView) => void; readonly fail: (why: Error) => void }[] = []

  constructor(deps: ActorClientDeps, info: ActorInfo) {
    this.#deps = deps
    this.#info = info
    this.#actorId = info.actorId
    this.#className = info.className
  }

  get pendingCalls(): number {
    return this.#pendingCalls
  }

  /** Which life of the actor this process knows. */
  get incarnation(): number {
    return this.#view?.incarnation ?? 0
  }

  call(record: TaskRecord): void {
    this.#pendingCalls += 1
    const { onEnd } = record
    record.onEnd = () => {
      onEnd?.()
      this.#pendingCalls -= 1
      this.#unready.delete(record)
      this.pumpSoon()
    }
    this.#queue.push(record)
    if (record.args === undefined) this.#unready.add(record)
    this.pumpSoon()
  }

  /** Its dependencies are in. */
  ready(record: TaskRecord): void {
    this.#unready.delete(record)
    this.pumpSoon()
  }

  /** Puts a call back for its next attempt. */
  again(record: TaskRecord): void {
    record.peer = undefined
    this.#queue.unshift([record])
    this.pumpSoon()
  }

  /** The call in front of this one that waits for its dependencies. */
  holding(record: TaskRecord): TaskRecord | undefined {
    if (this.#unready.size === 0) return undefined // the queue of a busy actor is long
    for (const before of this.#queue) {
      if (before === record) return undefined
      if (before.args === undefined && before.phase !== DONE) return before
    }
    return undefined
  }

  changed(view: ActorView): void {
    if (isStaleView(this.#view, view)) return
    const isNextLife = view.incarnation > this.incarnation || view.phase === 'DEAD'
    this.#view = view
    this.#followMaker(view)
    // Its process may live on, cut off with its node, and must not be heard any more.
    if (isNextLife && view.exit?.cause === 'NODE_LOST') this.#peer?.channel?.close()
    if (view.phase === 'ALIVE') {
      this.#sortOut()
      this.#dial(view)
    } else if (view.phase === 'DEAD') {
      this.#dead(view)
      if (this.#peer !== undefined) this.#giveUpSoon(view)
    } else this.#restarting(view)
  }

  /** Resolves when the actor is constructed. @throws what ended it instead */
  async constructed(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const run = (view: ActorView): void => {
        if (view.phase === 'ALIVE') resolve()
        else reject(this.#deathOf(view))
      }
      this.#whenSettled(run, reject)
    })
  }

  /** No word of the actor will come any more. */
  fail(error: Error): void {
    for (const { fail } of this.#waiting.splice(0)) fail(error)
  }

  forget(): void {
    this.#forgetClose?.()
    this.#makerWatch?.stop()
  }

  pumpSoon(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#deps.clock.microtask(() => {
      this.#scheduled = false
      this.#pump()
    })
  }

  #whenSettled(run: (view: ActorView) => void, fail: (why: Error) => void): void {
    const view = this.#view
    if (view?.phase === 'ALIVE' || view?.phase === 'DEAD') run(view)
    else this.#waiting.push({ run, fail })
  }

  #settled(view: ActorView): void {
    for (const { run } of this.#waiting.splice(0)) run(view)
  }

  #pump(): void {
    const view = this.#view
    const peer = this.#peer
    if (view?.phase === 'DEAD') {
      this.#dead(view)
      return
    }
    if (view !== undefined) this.#followMaker(view)
    // Pumped again once it is connected. Word of its end may come before its connection closes.
    if (view?.phase !== 'ALIVE' || peer?.channel === undefined || peer.closed) return
    while (!peer.congested) {
      const records = takeReady(this.#queue)
      if (records.length === 0) return
      this.#heedFound(records)
      pushTasks(peer, records)
    }
    peer.whenDrained(this, () => {
      this.pumpSoon()
    })
  }

  /** What was called before it was known which actor this is goes by that one's retries, unless the
   *  call has its own. */
  #heedFound(records: readonly TaskRecord[]): void {
    const { maxTaskRetries } = this.#deps.real(this.#info)
    if (maxTaskRetries === this.#info.maxTaskRetries) return
    for (const record of records) {
      if (record.attempt > 0 || record.kind.asItsActor !== true) continue
      record.retriesLeft = maxTaskRetries
    }
  }

  /** MW1. Where it is not made, none of its calls was ever in flight. */
  #followMaker({ phase }: ActorView): void {
    const { ownerAddress } = this.#info
    if (phase !== 'DEPENDENCIES_UNREADY') {
      this.#makerWatch?.stop()
      this.#makerWatch = undefined
    } else if (ownerAddress !== undefined && ownerAddress !== this.#deps.ownAddress) {
      if (this.#queue.peek() !== undefined) this.#makerWatch ??= this.#watchMaker(ownerAddress)
    }
  }

  #watchMaker(address: string): MakerWatch {
    return new MakerWatch(this.#deps, address, {
      missing: () => {
        this.#deps.lookAgain(this.#info)
      },
      lost: () => {
        this.#makerWatch = undefined
        const error = neverMade(this.#info)
        for (const record of this.#queue.drain()) this.#deps.ends.fail(record, error)
      },
    })
  }

  #dial(view: ActorView): void {
    const peer = this.#deps.dial(view.address)
    this.#peer = peer
    // An earlier one is heard until it closes: what was in flight there is told then.
    this.#forgetClose = peer.whenClosed(() => {
      this.#disconnected(peer)
    })
    this.#settled(view)
    peer.with(() => {
      // Before anything that was called later leaves (CA1).
      if (this.#peer === peer) this.#sortOut(connectionBroke)
      this.pumpSoon()
    })
  }

  #disconnected(peer: Peer): void {
    this.#limbo.push(...peer.takeInFlight())
    const view = this.#view
    if (this.#peer !== peer) {
      // Its next life is known already.
      this.#sortOut()
      this.pumpSoon()
      return
    }
    this.#peer = undefined
    if (view?.phase === 'DEAD') this.#dead(view)
    else if (view?.phase === 'RESTARTING') this.#restarting(view)
    else if (view !== undefined) this.#awaitWord(view)
  }

  /** Word of its death may be on its way; if it answers, only the connection broke. */
  #awaitWord(view: ActorView): void {
    this.#deps.clock.after(REDIAL_MS, () => {
      if (this.#view === view && this.#peer === undefined) this.#dial(view)
    })
    this.#tellInTime()
  }

  /** Whose node is dead may have no restart left: it says why it restarts once that is decided. */
  #restarting({ error }: ActorView): void {
    if (error === undefined) this.#tellInTime()
    else this.#sortOut()
  }

  #tellInTime(): void {
    if (this.#limbo.length === 0) return
    this.#wordTimer ??= this.#deps.clock.after(ACTOR_WORD_MS_MAX, () => {
      this.#sortOut(connectionBroke)
    })
  }

  #takeLimbo(): TaskRecord[] {
    this.#wordTimer?.cancel()
    this.#wordTimer = undefined
    return this.#limbo.splice(0)
  }

  /** What was in flight at a lost incarnation, or over a lost connection: retry, or tell. */
  #sortOut(whatEnded = lifeEnded): void {
    const again: TaskRecord[] = []
    for (const record of this.#takeLimbo()) {
      if (record.phase === DONE) continue
      record.timer?.cancel()
      if (record.retriesLeft === 0) {
        this.#deps.ends.fail(record, this.#unavailable(record, whatEnded(this.#className)))
        continue
      }
      record.retriesLeft -= 1
      record.attempt += 1
      record.peer = undefined
      again.push(record)
    }
    this.#queue.unshift(again)
  }

  #dead(view: ActorView): void {
    this.#settled(view)
    const error = this.#deathOf(view)
    for (const record of this.#takeLimbo()) this.#deps.ends.fail(record, error)
    for (const record of this.#queue.drain()) this.#deps.ends.fail(record, error)
  }

  /** Its process may outlive it, for what it owns: then its connection does not close. */
  #giveUpSoon(view: ActorView): void {
    this.#deps.clock.after(LAST_WORDS_MS, () => {
      this.#limbo.push(...(this.#peer?.takeInFlight() ?? []))
      this.#peer = undefined
      this.#dead(view)
    })
  }

  #deathOf(view: ActorView): VirgaError {
    if (view.error !== undefined) return fromWire(view.error)
    const id = toHex(this.#actorId)
    return new ActorDiedError(`actor ${this.#className} (${id}) is dead. Create a new one.`)
  }

  #unavailable({ kind }: TaskRecord, [what, next]: Interruption): ActorUnavailableError {
    return new ActorUnavailableError(
      `${kind.name} was under way when ${what}; it may or may not have run. ${next}: call again ` +
        'if that is safe, or set maxTaskRetries.',
      { data: { actorId: toHex(this.#actorId), method: kind.method, mayHaveRun: 'unknown' } },
    )
  }
}

/** What a call was under way at, and what is known of the actor now. */
type Interruption = readonly [what: string, next: string]

const lifeEnded = (className: string): Interruption => [
  `the worker of ${className} died`,
  'The actor restarts',
]

/** No more is known: it, its node, or only the way there may be gone. */
const connectionBroke = (className: string): Interruption => [
  `the connection to the worker of ${className} broke`,
  'The actor may live on, or be dead',
]

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
