// `virga timeline`: tasks over time as a trace that ui.perfetto.dev and chrome://tracing open.
//   one process per job, one thread per worker, one slice per attempt of a task
// Nothing is cut in silence: tasks that the cluster no longer has are counted in the trace itself
// (`otherData.droppedTasks`) and said on the screen.
// Source: the Trace Event Format; Ray python/ray/_private/state.py (timeline).
import { countText, plural } from './amounts.ts'
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { numberOf, textOf, type Row, type StateTable } from './raylet-client.ts'
import type { Input, World } from './world.ts'

const US_PER_MS = 1000
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
  const threads = new Set<string>()
  const events: object[] = []
  for (const row of rows) {
    const jobId = jobIdOf(row)
    const workerPid = numberOf(row, 'pid')
    let pid = processes.get(jobId)
    if (pid === undefined) {
      pid = processes.size + 1
      processes.set(jobId, pid)
      events.push(named('process_name', pid, 0, `job ${names.get(jobId) ?? ''} ${jobId}`))
    }
    if (!threads.has(`${pid} ${workerPid}`)) {
      threads.add(`${pid} ${workerPid}`)
      events.push(named('thread_name', pid, workerPid, `worker ${workerPid}`))
    }
    events.push(sliceOf(row, pid, workerPid))
  }
  const otherData = { tasks: rows.length, droppedTasks: dropped }
  return { traceEvents: events, displayTimeUnit: 'ms', otherData }
}

function named(what: string, pid: number, tid: number, name: string): object {
  return { ph: 'M', name: what, pid, tid, args: { name } }
}

function sliceOf(row: Row, pid: number, tid: number): object {
  const startMs = numberOf(row, 'startMs')
  const failed = row['state'] === 'FAILED'
  return {
    ph: 'X',
    name: textOf(row, 'name'),
    cat: textOf(row, 'kind'),
    pid,
    tid,
    ts: Math.round(startMs * US_PER_MS),
    dur: Math.max(0, Math.round((numberOf(row, 'endMs') - startMs) * US_PER_MS)),
    ...(failed ? { cname: 'terrible' } : {}),
    args: { taskId: row['taskId'], state: row['state'], attempt: row['attempt'] },
  }
}

/** A TaskId ends in the id of its job. */
const jobIdOf = (row: Row): string => textOf(row, 'taskId').slice(-JOB_ID_HEX_CHARS)
