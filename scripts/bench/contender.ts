// The side of a contender: a process that runs one row of the bench when it is told to.
//   argv[2]  the name of the row
//   stdin    a line of JSON per request: { "op": "warm" | "round", "seconds": N }
//   fd 3     a line of JSON per answer: { "ready": true }, { "missing": "why" }, { "values": {…} }
//            or { "error": "…" }; the process ends when stdin does
// A value is a number by the name of its part; most rows have one, `value`.
// ray/contender.py speaks the same, so that every contender is timed by the same harness.
// Source: Ray ray_microbenchmark_helpers.py (timeit): a warm-up counts the calls, a tenth of which
// run between two looks at the clock.
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** Work that is repeated as often as a round's time allows. Its value is a rate per second. */
export interface Repeated {
  run(): unknown
  /** What one run counts for: calls, gigabytes. Default: 1. */
  readonly unitsPerRun?: number
  end?(): unknown
}

/** Work that measures itself, once per round; each part is in the unit of its row. */
export interface Sampled {
  sample(seconds: number): Promise<Readonly<Record<string, number>>>
  end?(): unknown
}

/** This machine cannot run the row. */
export interface Missing {
  readonly missing: string
}
export const missing = (why: string): Missing => ({ missing: why })

export type Workload = Repeated | Sampled | Missing
export type Workloads = Readonly<Record<string, () => Workload | Promise<Workload>>>

interface Request {
  readonly op: 'warm' | 'round'
  readonly seconds: number
}

const ANSWERS_FD = 3
const WARM_CALLS_PER_STEP = 10
/** A round that hangs outlives a bench that was stopped by no more than this. */
const END_TIMEOUT_MS = 60_000

/**
 * Serves one row until stdin ends or a round fails; then closes whatever the row has opened.
 * @param end what the contender itself has to close.
 */
export async function serveRow(workloads: Workloads, end?: () => unknown): Promise<void> {
  const make = workloads[process.argv[2] ?? '']
  if (make === undefined) {
    answer({ missing: 'it has no such row' })
    return
  }
  const lines = createInterface({ input: process.stdin })
  lines.once('close', () => setTimeout(() => process.exit(1), END_TIMEOUT_MS).unref())
  const requests = lines[Symbol.asyncIterator]()
  let workload: Workload | undefined
  await tellingErrors(async () => {
    workload = await make()
    if ('missing' in workload) {
      answer(workload)
      return
    }
    answer({ ready: true })
    await serveRequests(workload, requests)
  })
  await tellingErrors(() => (workload !== undefined && 'end' in workload ? workload.end?.() : null))
  await tellingErrors(() => end?.())
}

/** What fails is told at once, before what failed because of it. */
async function tellingErrors(work: () => unknown): Promise<void> {
  try {
    await work()
  } catch (error) {
    answer({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    process.exitCode = 1
  }
}

async function serveRequests(
  workload: Repeated | Sampled,
  requests: AsyncIterator<string>,
): Promise<void> {
  let step = 1
  for (let line = await requests.next(); line.done !== true; line = await requests.next()) {
    const { op, seconds } = JSON.parse(line.value) as Request
    if ('sample' in workload) {
      answer({ values: await workload.sample(seconds) })
      continue
    }
    const { runCount, elapsedSeconds } = await repeat(workload, seconds, step)
    if (op === 'warm') step = Math.floor(runCount / WARM_CALLS_PER_STEP) + 1
    answer({ values: { value: (runCount * (workload.unitsPerRun ?? 1)) / elapsedSeconds } })
  }
}

async function repeat(
  workload: Repeated,
  seconds: number,
  step: number,
): Promise<{ runCount: number; elapsedSeconds: number }> {
  const startedAtMs = performance.now()
  const endAtMs = startedAtMs + seconds * 1000
  let runCount = 0
  do {
    for (let i = 0; i < step; i += 1) {
      const running = workload.run()
      if (running instanceof Promise) await running
    }
    runCount += step
  } while (performance.now() < endAtMs)
  return { runCount, elapsedSeconds: (performance.now() - startedAtMs) / 1000 }
}

function answer(line: object): void {
  try {
    writeSync(ANSWERS_FD, `${JSON.stringify(line)}\n`)
  } catch (error) {
    // The bench was stopped: stdin has ended, too, and what is open is closed as at any end.
    if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error
  }
}
