// `virga timeline`: tasks over time as a trace that ui.perfetto.dev and chrome://tracing open.
//   one process per job, one thread per worker, one slice per attempt of a task
// Nothing is cut in silence: tasks that the cluster no longer has are counted in the trace itself
// (`otherData.droppedTasks`) and said on the screen. Perfetto drops a slice that crosses the end of
// another on its thread, so calls that a worker ran at once are on threads of their own.
// Source: the Trace Event Format; perfetto.dev/docs/faq (overlapping events); Ray
// python/ray/_private/state.py (timeline).
import { countText, plural } from './amounts.ts'
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { numberOf, textOf, type Row, type StateTable } from './raylet-client.ts'
import type { Input, World } from './world.ts'

const US_PER_MS = 1000
/** No process of Linux has such a number. Source: PID_MAX_LIMIT, 2^22. */
const LANE_TID_FROM = 2 ** 22 + 1
const JOB_ID_HEX_CHARS = 8

export function run(world: World, input: Input): Promise<number> {
  return connected(world, input, async (client) => {
    const [tasks, jobs] = await Promise.all([client.state('tasks'), client.state('jobs')])
    const trace = traceOf(tasks, jobs.rows)
    const file = String(input.options['out'])
    await world.writeFile(file, JSON.stringify(trace))
    const { dropped } = tasks
    const count = tasks.rows.length
    if (input.json) {
      world.screen.print(JSON.stringify({ file, tasks: count, dropped }))
      return EXIT.DONE
    }
    world.screen.print(`${file}: ${plural(count, 'task')}; open it at https://ui.perfetto.dev`)
    if (dropped > 0) {
      world.screen.print(
        `${countText(dropped)} older tasks are missing: the cluster keeps the newest only.`,
      )
    }
    return EXIT.DONE
  })
}

export interface Trace {
  readonly traceEvents: readonly object[]
  readonly displayTimeUnit: 'ms'
  readonly otherData: { readonly tasks: number; readonly droppedTasks: number }
}

export function traceOf({ rows, dropped }: StateTable, jobs: readonly Row[]): Trace {
  const names = new Map(jobs.map((job) => [textOf(job, 'jobId'), textOf(job, 'name')]))
  const processes = new Map<string, number>()
  const threads = new Map<string, number>()
  const events: object[] = []
  const slices = rows.map(sliceOf)
  const lanes = lanesOf(slices)
  for (const [i, slice] of slices.entries()) {
    const { jobId, workerPid, event } = slice
    const lane = lanes[i] ?? 0
    let pid = processes.get(jobId)
    if (pid === undefined) {
      pid = processes.size + 1
      processes.set(jobId, pid)
      events.push(named('process_name', { pid, tid: 0 }, `job ${names.get(jobId) ?? ''} ${jobId}`))
    }
    const key = `${pid} ${workerPid} ${lane}`
    let tid = threads.get(key)
    if (tid === undefined) {
      tid = lane === 0 ? workerPid : LANE_TID_FROM + threads.size
      threads.set(key, tid)
      const which = lane === 0 ? '' : ` (${lane + 1})`
      events.push(named('thread_name', { pid, tid }, `worker ${workerPid}${which}`))
    }
    events.push({ ...event, pid, tid })
  }
  const otherData = { tasks: rows.length, droppedTasks: dropped }
  return { traceEvents: events, displayTimeUnit: 'ms', otherData }
}

interface Slice {
  readonly jobId: string
  readonly workerPid: number
  /** On the whole microsecond, as is its end: none begins before the one before it has ended. */
  readonly startUs: number
  readonly endUs: number
  readonly event: object
}

function sliceOf(row: Row): Slice {
  const startUs = Math.round(numberOf(row, 'startMs') * US_PER_MS)
  const endUs = Math.max(startUs, Math.round(numberOf(row, 'endMs') * US_PER_MS))
  const failed = row['state'] === 'FAILED'
  const event = {
    ph: 'X',
    name: textOf(row, 'name'),
    cat: textOf(row, 'kind'),
    ts: startUs,
    dur: endUs - startUs,
    ...(failed ? { cname: 'terrible' } : {}),
    args: { taskId: row['taskId'], state: row['state'], attempt: row['attempt'] },
  }
  return { jobId: jobIdOf(row), workerPid: numberOf(row, 'pid'), startUs, endUs, event }
}

/** For each slice, the first lane of its worker that is free when it starts. */
function lanesOf(slices: readonly Slice[]): number[] {
  const lanes: number[] = []
  const endsOf = new Map<string, number[]>()
  const order = [...slices.entries()].sort(([, a], [, b]) => a.startUs - b.startUs)
  for (const [i, { jobId, workerPid, startUs, endUs }] of order) {
    const worker = `${jobId} ${workerPid}`
    const ends = endsOf.get(worker) ?? []
    endsOf.set(worker, ends)
    const free = ends.findIndex((end) => end <= startUs)
    const lane = free < 0 ? ends.length : free
    ends[lane] = endUs
    lanes[i] = lane
  }
  return lanes
}

function named(what: string, where: { pid: number; tid: number }, name: string): object {
  return { ph: 'M', name: what, ...where, args: { name } }
}

/** A TaskId ends in the id of its job. */
const jobIdOf = (row: Row): string => textOf(row, 'taskId').slice(-JOB_ID_HEX_CHARS)
