// A service elsewhere as one process of a simulated run reaches it: late, and failing at times, as
// its port allows once its own retries have given up. Of the writes that fail, half leave their
// writer in doubt; two thirds of those are executed all the same, a third of these only after their
// writer was told, and may have read, and written, again: an attempt that was given up is still
// under way.
// Source: Temporal's persistence fault injection (ExecuteAndTimeout).
import type { Draw } from './draw.ts'
import type { Probe, Probes } from './probes.ts'
import type { SimProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'

export interface ServiceQuality {
  /** Mean of a call, there and back. */
  readonly latencyMs: number
  /** Share of calls that fail; 1 in an outage. */
  failChance: number
}

export interface ServiceParts {
  readonly scheduler: Pick<Scheduler, 'at' | 'nowMs' | 'fail'>
  readonly draw: Draw
  readonly probes: Probes
  readonly quality: ServiceQuality
  /** Executes a call long after it was begun, or failed. Default: as any other. */
  readonly asLate?: <T>(run: () => T) => T
}

export interface Service extends ServiceParts {
  readonly name: string
  /** What is hit when a call fails, and by what became of a write in doubt. */
  readonly hits: Readonly<Record<'fails' | Executed, Probe>>
  /** What a call fails with. @param inDoubt  it may have been executed. */
  failed(name: string, inDoubt: boolean): Error
}

export type ServiceCall = <T>(name: string, run: () => Promise<T>, writes?: boolean) => Promise<T>

type Executed = 'no' | 'in time' | 'late'

interface Failing {
  readonly error: Error
  readonly executed: Executed
}

const UNKNOWN_SHARE = 1 / 2
const EXECUTED_SHARE = 2 / 3
const LATE_SHARE = 1 / 3
/** How much later than its writer was told, at most: servers end what their client has given up. */
const LATE_MS_MAX = 3000

export function callsTo(service: Service, process: SimProcess): ServiceCall {
  const { scheduler, draw, quality, name: serviceName, asLate = (run) => run() } = service
  const lateness = draw.fork('late')
  /** An event of the world: its writer may have ended by then, and nobody hears what comes of it. */
  const executeLate = (name: string, answerMs: number, run: () => Promise<unknown>): void => {
    const atMs = scheduler.nowMs + answerMs + lateness.between(0, LATE_MS_MAX)
    scheduler.at(atMs, undefined, `${serviceName} ${name}, late`, () => {
      asLate(run).catch((error: unknown) => {
        scheduler.fail(`a late ${name} threw`, error)
      })
    })
  }
  return (name, run, writes = true) =>
    new Promise((resolve, reject) => {
      const failing = failureOf(service, lateness, { name, writes })
      const ms = -Math.log(1 - draw.next()) * quality.latencyMs
      const begunAtMs = scheduler.nowMs
      /** It left its process, which stood still, no sooner. */
      const isLate = (): boolean => scheduler.nowMs - begunAtMs > LATE_MS_MAX
      const answer = (tell: () => void): void => {
        process.later(ms / 2, `${serviceName} answers ${name}`, tell)
      }
      process.later(ms / 2, `${serviceName} ${name}`, () => {
        if (failing !== undefined && failing.executed !== 'in time') {
          answer(() => {
            reject(failing.error)
          })
          if (failing.executed === 'late') executeLate(name, ms / 2, run)
          return
        }
        const running = isLate() ? asLate(run) : run()
        running.then((value) => {
          answer(() => {
            if (failing === undefined) resolve(value)
            else reject(failing.error)
          })
        }, reject)
      })
    })
}

function failureOf(
  service: Service,
  lateness: Draw,
  { name, writes }: { readonly name: string; readonly writes: boolean },
): Failing | undefined {
  const { draw, probes, quality, hits } = service
  if (!draw.chance(quality.failChance)) return undefined
  if (!writes || !draw.chance(UNKNOWN_SHARE)) {
    probes.hit(hits.fails)
    return { error: service.failed(name, false), executed: 'no' }
  }
  const isExecuted = draw.chance(EXECUTED_SHARE)
  const executed = !isExecuted ? 'no' : lateness.chance(LATE_SHARE) ? 'late' : 'in time'
  probes.hit(hits[executed])
  return { error: service.failed(name, true), executed }
}
