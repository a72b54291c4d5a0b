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
  return { rows: withCreators(rows, makers), dropped }
}

/** An ObjectId is the id of its task, which ends in that of its job, and four bytes of an index. */
const JOB_ID_AT = [24, 32] as const

interface Makers {
  readonly workers: readonly Row[]
  readonly jobs: readonly Row[]
  readonly nodeCount: number
}

/** @returns the rows with the process that made each object, and the job it belongs to. */
export function withCreators(objects: readonly Row[], { workers, jobs, nodeCount }: Makers): Row[] {
  const creators = new Map<string, string>()
  for (const worker of workers) {
    const workerId = textOf(worker, 'workerId')
    const shown = shownWorkerId(workerId, nodeCount)
    creators.set(workerId, `worker ${String(numberOf(worker, 'pid'))} (${shown})`)
  }
  for (const job of jobs) {
    const pid = numberOf(job, 'driverPid')
    const what = pid === 0 ? 'ended driver' : `driver ${String(pid)}`
    creators.set(textOf(job, 'driverId'), `${what} (${textOf(job, 'name')})`)
  }
  // Of a copy that another node has fetched, the row of the first one tells.
  const ofObjects = new Map<string, string>()
  for (const row of objects) {
    const creator = creators.get(textOf(row, 'creator'))
    if (creator !== undefined) ofObjects.set(textOf(row, 'objectId'), creator)
  }
  return objects.map((row) => {
    const objectId = textOf(row, 'objectId')
    const creator = ofObjects.get(objectId) ?? 'ended worker'
    return { ...row, creator, jobId: objectId.slice(...JOB_ID_AT) }
  })
}
