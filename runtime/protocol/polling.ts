// Busy polling: after a message, keep the event loop turning for a moment instead of sleeping, so
// that the next message costs no wake-up by the kernel. Two processes that answer each other then
// take 15-20 us a round trip instead of 60-100; with one other runnable process on the machine they
// would take six to nine times as long as without. Hence the gate.
// Invariants:
//   PO1. A turn is spent on polling at most POLL_MS after the last message.
//   PO2. Only while messages follow each other that closely on average: a pause ends it.
//   PO3. Not while more processes are runnable than there are cores, nor where the machine does not
//       say.
//   PO4. Not where it does not pay: when a good part of the waits ends without a message, somebody
//       else has the core that the other end would need, whatever the count of PO3 says.
// What PO3 or PO4 found mutes polling for 50 ms at first, twice as long each time it is found
// again right after, up to a second: a moment's noise costs little, a process that stays costs 5 %.
// Source: design 12 (measured there); Linux net.core.busy_poll (the idea, in the kernel).
import type { Clock } from '../common/clock.ts'
import type { Connection, ConnectionEvents, Transport } from './connection.ts'

const POLL_MS = 0.2
/** How often the number of runnable processes is looked at while polling; 5 us a look. */
const LOOK_EVERY_MS = 50
const MUTED_MS_MIN = 50
const MUTED_MS_MAX = 1000
/** Waits in vain, since the last look, that are more than chance; and how many of all they must be. */
const MISSES_MIN = 4
const MISSES_SHARE = 1 / 5
/** Of a new gap in the moving average. */
const GAP_SHARE = 0.2
/** A longer pause counts as this much: after one, some ten quick messages turn polling on again. */
const GAP_MS_MAX = 2

export interface PollingDeps {
  readonly clock: Clock
  /** How many processes and threads of the machine run or want to, this one included. */
  runnableCount(): number | undefined
  readonly coreCount: number
}

export class Polling {
  readonly #deps: PollingDeps
  #averageGapMs = GAP_MS_MAX
  #arrivedAtMs = -Infinity
  #lookAtMs = 0
  #mutedUntilMs = -Infinity
  #muteMs = MUTED_MS_MIN
  /** Waits since the last look: those that a message ended, and those in vain. */
  #hits = 0
  #misses = 0
  #isTurning = false
  readonly #turn = (): void => {
    this.#poll()
  }

  constructor(deps: PollingDeps) {
    this.#deps = deps
  }

  /** A message arrived. */
  arrived(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    const gapMs = Math.min(nowMs - this.#arrivedAtMs, GAP_MS_MAX)
    this.#averageGapMs += GAP_SHARE * (gapMs - this.#averageGapMs)
    this.#arrivedAtMs = nowMs
    if (this.#isTurning) this.#hits += 1
    else if (this.#averageGapMs > POLL_MS || !this.#mayPoll(nowMs)) return
    else this.#start()
  }

  #poll(): void {
    const nowMs = this.#deps.clock.monotonicMs()
    this.#isTurning = false
    if (nowMs - this.#arrivedAtMs > POLL_MS) this.#missed(nowMs)
    else if (this.#mayPoll(nowMs)) this.#start()
  }

  #start(): void {
    this.#isTurning = true
    this.#deps.clock.immediate(this.#turn)
  }

  #missed(nowMs: number): void {
    this.#misses += 1
    const waits = this.#hits + this.#misses
    if (this.#misses >= MISSES_MIN && this.#misses > waits * MISSES_SHARE) this.#mute(nowMs)
  }

  #mayPoll(nowMs: number): boolean {
    if (nowMs < this.#mutedUntilMs) return false
    if (nowMs < this.#lookAtMs) return true
    const runnable = this.#deps.runnableCount()
    if (runnable === undefined || runnable > this.#deps.coreCount) {
      this.#mute(nowMs)
      return false
    }
    // Polled since the last look, and nothing was found against it.
    if (nowMs - this.#mutedUntilMs >= LOOK_EVERY_MS) this.#muteMs = MUTED_MS_MIN
    this.#look(nowMs + LOOK_EVERY_MS)
    return true
  }

  #mute(nowMs: number): void {
    this.#mutedUntilMs = nowMs + this.#muteMs
    this.#muteMs = Math.min(this.#muteMs * 2, MUTED_MS_MAX)
    this.#look(this.#mutedUntilMs)
  }

  #look(nextMs: number): void {
    this.#lookAtMs = nextMs
    this.#hits = 0
    this.#misses = 0
  }
}

/** The same transport, with `polling` told of every frame. */
export function pollingTransport(transport: Transport, polling: Polling): Transport {
  const watched = (connection: Connection): Connection => {
    const start = connection.start.bind(connection)
    connection.start = (events: ConnectionEvents): void => {
      start({
        onFrame: (body) => {
          events.onFrame(body)
          polling.arrived()
        },
        onDrain: () => {
          events.onDrain?.()
        },
        onClose: (error) => {
          events.onClose(error)
        },
      })
    }
    return connection
  }
  return {
    listen: (address, onConnection) =>
      transport.listen(address, (connection) => {
        onConnection(watched(connection))
      }),
    connect: async (address) => watched(await transport.connect(address)),
  }
}
