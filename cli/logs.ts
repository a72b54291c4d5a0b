// `virga logs`: what a worker, the workers of a job, or the raylets have written, on the nodes of
// this machine.
import { UsageError } from '../runtime/common/errors.ts'
import { WORKER_NODE_BYTES, WORKER_NUMBER_BYTES } from '../runtime/common/ids.ts'
import { withoutMarks } from '../runtime/common/output-mark.ts'
import type { SessionNode } from '../runtime/common/session-node.ts'
import { workerOfLog } from '../runtime/common/worker-log.ts'
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { textOf, type RayletClient } from './raylet-client.ts'
import { atNode, WORKER, workerIdStart } from './worker-ids.ts'
import type { Input, Logs, World } from './world.ts'

/** In a sentence. */
const NAMES_SHOWN_MAX = 8
const RAYLET = 'raylet'
/** Of a worker's id: its number and the start of its node's id. */
const KEY_CHARS = 2 * (WORKER_NUMBER_BYTES + WORKER_NODE_BYTES)

/** One log of one node. */
export interface NodeLog {
  readonly sessionDir: string
  /** In that folder. */
  readonly file: string
  /** As people see it: worker-00000001; of several nodes, with the node's id behind it. */
  readonly name: string
  /** Of the worker; '' of a raylet. */
  readonly job: string
  /** What the worker's id starts with; '' of a raylet. */
  readonly key: string
}

export function run(world: World, input: Input): Promise<number> {
  return connected(world, input, async (client, node) => {
    const logs = await world.logs()
    const clusters = await world.clusters()
    const all = logsOf(logs, clusters.nodesOf(node))
    const what = input.args[0]
    if (what === undefined) list(world, input, all)
    else await show(world, input, logs, await chosen(client, all, what))
    return EXIT.DONE
  })
}

function logsOf(logs: Logs, nodes: readonly SessionNode[]): NodeLog[] {
  return nodes.flatMap(({ sessionDir, nodeId }) =>
    logs.names(sessionDir).map((file) => {
      const worker = workerOfLog(file)
      const shown = worker === undefined ? file : `${WORKER}${worker.number}`
      return {
        ...{ sessionDir, file, job: worker?.job ?? '' },
        name: atNode(shown, nodeId, nodes.length),
        key: worker === undefined ? '' : (worker.number + nodeId).slice(0, KEY_CHARS),
      }
    }),
  )
}

function list(world: World, input: Input, all: readonly NodeLog[]): void {
  const names = all.map(({ name }) => name).sort()
  if (input.json) world.screen.print(JSON.stringify({ logs: names }))
  else for (const name of names) world.screen.print(name)
}

/** What the user typed is compared with what there is, and never used as a path. */
export async function chosen(
  client: RayletClient,
  all: readonly NodeLog[],
  what: string,
): Promise<NodeLog[]> {
  const exact = all.filter(({ file, name }) => name === what || (file === what && what === RAYLET))
  if (exact.length > 0) return exact
  if (what === RAYLET) {
    throw new UsageError(
      'the raylets of this cluster have written nothing yet: they log what goes wrong, and ends of ' +
        'jobs; what workers have written: virga logs',
    )
  }
  const wanted = workerIdStart(what)
  if (what !== '') {
    const isMeant = ({ key, name }: NodeLog): boolean =>
      name.startsWith(what) || (key !== '' && key.startsWith(wanted.slice(0, KEY_CHARS)))
    const found = all.filter(isMeant)
    if (found.length === 1) return found
    if (found.length > 1) {
      throw new UsageError(
        `several logs start with '${what}', give more of the id: ${namesOf(found)}`,
      )
    }
    const ofJob = await logsOfJob(client, all, wanted)
    if (ofJob !== undefined) return ofJob
  }
  const list = all.length === 0 ? 'there are none yet' : `there are ${namesOf(all)}`
  throw new UsageError(`no log of '${what}': ${list}`)
}

/** The newest of them: a cluster may have had hundreds of workers. */
function namesOf(logs: readonly NodeLog[]): string {
  const names = logs.map(({ name }) => name).sort()
  const shown = names.slice(-NAMES_SHOWN_MAX)
  const olderCount = names.length - shown.length
  const older = olderCount === 0 ? '' : ` and ${String(olderCount)} older ones, see virga logs`
  return `${shown.join(', ')}${older}`
}

/** Its workers may have ended long ago. Undefined: there is no such job. */
async function logsOfJob(
  client: RayletClient,
  all: readonly NodeLog[],
  wanted: string,
): Promise<NodeLog[] | undefined> {
  const found = all.filter(({ job }) => job !== '' && job.startsWith(wanted))
  const jobs = [...new Set(found.map(({ job }) => job))]
  if (jobs.length > 1) {
    throw new UsageError(
      `several jobs start with '${wanted}', give more of the id: ${jobs.join(', ')}`,
    )
  }
  if (found.length > 0) return found
  const { rows } = await client.state('jobs')
  if (!rows.some((row) => textOf(row, 'jobId').startsWith(wanted))) return undefined
  throw new UsageError(`the workers of job '${wanted}' have written nothing`)
}

async function show(
  world: World,
  input: Input,
  logs: Logs,
  shown: readonly NodeLog[],
): Promise<void> {
  let stopped = false
  const follow = { stopped: () => stopped }
  const undo = world.onInterrupt(() => {
    stopped = true
  })
  const options = input.options['follow'] === true ? { follow } : {}
  const one = async ({ sessionDir, file, name }: NodeLog): Promise<void> => {
    const write = writer(world, input, name, shown.length > 1)
    for await (const text of logs.read(sessionDir, file, options)) write(text)
    write('', true)
  }
  try {
    await Promise.all(shown.map(one))
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
