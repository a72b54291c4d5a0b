// Rows of the objects in the stores, with who made each: the raylet knows its id, people know pids.
import {
  KINDS,
  numberOf,
  textOf,
  type Kind,
  type RayletClient,
  type Row,
  type StateTable,
} from './raylet-client.ts'
import { shownWorkerId } from './worker-ids.ts'

/** Rows of any kind. */
export function tableOf(client: RayletClient, kind: Kind): Promise<StateTable> {
  return kind === 'objects' ? objectsOf(client) : client.state(KINDS[kind].wire)
}

export async function objectsOf(client: RayletClient): Promise<StateTable> {
  const [objects, workers, jobs, nodes] = await Promise.all([
    client.state('objects'),
    client.state('workers'),
    client.state('jobs'),
    client.state('nodes'),
  ])
  const { rows, dropped } = objects
  const makers = { workers: workers.rows, jobs: jobs.rows, nodeCount: nodes.rows.length }
  return { rows: withOwners(rows, makers), dropped }
}

/** An ObjectId is the id of its task, which ends in that of its job, and four bytes of an index. */
const JOB_ID_AT = [24, 32] as const

interface Makers {
  readonly workers: readonly Row[]
  readonly jobs: readonly Row[]
  readonly nodeCount: number
}

/** @returns the rows with the process that made each object, and the job it belongs to. */
export function withOwners(objects: readonly Row[], { workers, jobs, nodeCount }: Makers): Row[] {
  const owners = new Map<string, string>()
  for (const worker of workers) {
    const workerId = textOf(worker, 'workerId')
    const shown = shownWorkerId(workerId, nodeCount)
    owners.set(workerId, `worker ${String(numberOf(worker, 'pid'))} (${shown})`)
  }
  for (const job of jobs) {
    const pid = numberOf(job, 'driverPid')
    const what = pid === 0 ? 'ended driver' : `driver ${String(pid)}`
    owners.set(textOf(job, 'driverId'), `${what} (${textOf(job, 'name')})`)
  }
  // Of a copy that another node has fetched, the row of the first one tells.
  const ofObjects = new Map<string, string>()
  for (const row of objects) {
    const owner = owners.get(textOf(row, 'creator'))
    if (owner !== undefined) ofObjects.set(textOf(row, 'objectId'), owner)
  }
  return objects.map(({ creator: _creator, ...row }) => {
    const objectId = textOf(row, 'objectId')
    const owner = ofObjects.get(objectId) ?? 'ended worker'
    return { ...row, owner, jobId: objectId.slice(...JOB_ID_AT) }
  })
}
