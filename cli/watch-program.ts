// Following the tasks of one program: finds the cluster that it uses, whichever that is, and reads
// progress by function from its raylet.
//   the cluster it started for itself    known by its pid; all there is in it belongs to it
//   a cluster that runs already          its job is the one whose driver has that pid
// A program need not know that it is watched, and runs exactly as under `node`.
// Invariant: the last figures are exact. A raylet that ends tells them before it goes; one that
// stays is asked once more.
import { NodeDiedError, ProtocolError, StoppedError, VirgaError } from '../runtime/common/errors.ts'
import type { SessionNode } from '../runtime/common/session-node.ts'
import { ClusterNotReachableError } from './exit-codes.ts'
import { textOf, type RayletClient, type Row } from './raylet-client.ts'
import type { Clusters } from './world.ts'

export interface Watched {
  readonly pid: number
  /** Where init() was told to go, if it was. */
  readonly address: string | undefined
  sleep(this: void, ms: number): Promise<void>
}

export class ProgramWatch {
  readonly #clusters: Clusters
  readonly #program: Watched
  readonly #links = new Map<string, Link>()

  constructor(clusters: Clusters, program: Watched) {
    this.#clusters = clusters
    this.#program = program
  }

  /** Rows of progress, of all its jobs. */
  async rows(): Promise<readonly Row[]> {
    await this.#find()
    const rows = await Promise.all([...this.#links.values()].map((link) => link.rows()))
    return rows.flat()
  }

  /** The last word, once the program has ended. */
  async end(): Promise<readonly Row[]> {
    const rows = await Promise.all(
      [...this.#links.values()].map((link) => link.end(this.#program.sleep)),
    )
    return rows.flat()
  }

  async #find(): Promise<void> {
    const { pid } = this.#program
    for (const node of this.#clusters.ownedBy(pid)) await this.#link(node, undefined)
    const joined = this.#joined()
    if (joined !== undefined) await this.#link(joined, pid)
  }

  #joined(): SessionNode | undefined {
    const { address } = this.#program
    if (address === undefined || address === '') return this.#clusters.current()
    try {
      return this.#clusters.find(address)
    } catch (error) {
      // None answers there, or it is none that can be asked (`local`): then none is joined.
      if (error instanceof ClusterNotReachableError || error instanceof VirgaError) return undefined
      throw error
    }
  }

  async #link(node: SessionNode, driverPid: number | undefined): Promise<void> {
    if (this.#links.has(node.address)) return
    const client = await orGone(this.#clusters.connect(node))
    if (client !== undefined) this.#links.set(node.address, new Link(client, driverPid))
  }
}

const LAST_TURN_MS = 50
const LAST_TURNS_MAX = 20

class Link {
  readonly #client: RayletClient
  readonly #driverPid: number | undefined
  readonly #jobIds = new Set<string>()
  readonly #last: Promise<readonly Row[] | undefined>
  #rows: readonly Row[] = []

  constructor(client: RayletClient, driverPid: number | undefined) {
    this.#client = client
    this.#driverPid = driverPid
    this.#last = orGone(client.lastSummary())
  }

  async rows(): Promise<readonly Row[]> {
    const read = await orGone(
      Promise.all([this.#client.state('jobs'), this.#client.state('summary')]),
    )
    if (read !== undefined) {
      const [jobs, summary] = read
      for (const job of jobs.rows) {
        if (job['driverPid'] === this.#driverPid) this.#jobIds.add(textOf(job, 'jobId'))
      }
      this.#rows = summary.rows.filter((row) => this.#isMeant(row))
    }
    return this.#rows
  }

  async end(sleep: Watched['sleep']): Promise<readonly Row[]> {
    // A cluster of its own ends with the program, and says its last figures.
    const last = this.#driverPid === undefined ? await this.#last : undefined
    if (this.#driverPid !== undefined) await this.#workersEnded(sleep)
    const rows = last?.filter((row) => this.#isMeant(row)) ?? (await this.rows())
    this.#client.close()
    return rows
  }

  /** The workers of a job end with it, and say their last figures then. */
  async #workersEnded(sleep: Watched['sleep']): Promise<void> {
    for (let turn = 0; turn < LAST_TURNS_MAX; turn += 1) {
      const workers = await orGone(this.#client.state('workers'))
      const some = workers?.rows.some((row) => this.#jobIds.has(textOf(row, 'jobId')))
      if (some !== true) return
      await sleep(LAST_TURN_MS)
    }
  }

  #isMeant(row: Row): boolean {
    return this.#driverPid === undefined || this.#jobIds.has(textOf(row, 'jobId'))
  }
}

/**
 * Undefined when the cluster has gone meanwhile, or was let go of, which is no error of a
 * program's end.
 */
async function orGone<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise
  } catch (error) {
    if (
      error instanceof NodeDiedError ||
      error instanceof StoppedError ||
      error instanceof ProtocolError ||
      error instanceof ClusterNotReachableError
    ) {
      return undefined
    }
    throw error
  }
}
