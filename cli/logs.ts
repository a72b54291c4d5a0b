// `virga logs`: what a worker, the workers of a job, or the raylet have written.
import { UsageError } from '../runtime/common/errors.ts'
import { withoutMarks } from '../runtime/common/output-mark.ts'
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { textOf, type RayletClient } from './raylet-client.ts'
import type { Input, Logs, World } from './world.ts'

/** Of a worker's id, in the name of its log: worker-1a2b3c4d. */
const LOG_ID_CHARS = 8

export function run(world: World, input: Input): Promise<number> {
  return connected(world, input, async (client) => {
    const logs = await world.logs()
    const what = input.args[0]
    if (what === undefined) list(world, input, logs.names(client.sessionDir))
    else
      await show(world, input, logs, {
        sessionDir: client.sessionDir,
        names: await namesOf(client, logs, what),
      })
    return EXIT.DONE
  })
}

function list(world: World, input: Input, names: readonly string[]): void {
  if (input.json) world.screen.print(JSON.stringify({ logs: names }))
  else for (const name of names) world.screen.print(name)
}

/** What the user typed is compared with what there is, and never used as a path. */
async function namesOf(client: RayletClient, logs: Logs, what: string): Promise<string[]> {
  const all = logs.names(client.sessionDir)
  const wanted = what.replace(/^worker-/, '').toLowerCase()
  if (all.includes(wanted) && wanted === 'raylet') return [wanted]
  if (/^[0-9a-f]+$/.test(wanted)) {
    const start = wanted.slice(0, LOG_ID_CHARS)
    const found = all.filter((name) => name.startsWith(`worker-${start}`))
    if (found.length === 1) return found
    if (found.length > 1) {
      throw new UsageError(
        `several logs start with '${what}', give more of the id: ${found.join(', ')}`,
      )
    }
    const ofJob = await namesOfJob(client, wanted)
    if (ofJob !== undefined) return all.filter((name) => ofJob.has(name))
  }
  const list = all.length === 0 ? 'there are none yet' : `there are ${all.join(', ')}`
  throw new UsageError(`no log of '${what}': ${list}`)
}

async function namesOfJob(client: RayletClient, id: string): Promise<Set<string> | undefined> {
  const [jobs, workers] = await Promise.all([client.state('jobs'), client.state('workers')])
  const job = jobs.rows.find((row) => textOf(row, 'jobId').startsWith(id))
  if (job === undefined) return undefined
  return new Set(
    workers.rows
      .filter((worker) => worker['jobId'] === job['jobId'])
      .map((worker) => `worker-${textOf(worker, 'workerId').slice(0, LOG_ID_CHARS)}`),
  )
}

async function show(
  world: World,
  input: Input,
  logs: Logs,
  { sessionDir, names }: { readonly sessionDir: string; readonly names: readonly string[] },
): Promise<void> {
  let stopped = false
  const follow = { stopped: () => stopped }
  const undo = world.onInterrupt(() => {
    stopped = true
  })
  const options = input.options['follow'] === true ? { follow } : {}
  const one = async (name: string): Promise<void> => {
    const write = writer(world, input, name, names.length > 1)
    for await (const text of logs.read(sessionDir, name, options)) write(text)
    write('', true)
  }
  try {
    await Promise.all(names.map(one))
  } finally {
    undo()
  }
}

/** Whole lines without the worker's marks, the log's name before each where there are several. */
function writer(
  world: World,
  input: Input,
  name: string,
  several: boolean,
): (text: string, last?: boolean) => void {
  let tail = ''
  return (text, last = false) => {
    const lines = (tail + text).split('\n')
    tail = lines.pop() ?? ''
    if (last && tail !== '') lines.push(tail)
    for (const written of lines) {
      const line = withoutMarks(written)
      if (line === undefined) continue
      if (input.json) world.screen.print(JSON.stringify({ log: name, line }))
      else world.screen.print(several ? `${world.screen.paint('cyan', `(${name})`)} ${line}` : line)
    }
  }
}
