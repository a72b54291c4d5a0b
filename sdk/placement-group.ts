// Placement groups: resources reserved together, and where work then runs. A group is a name for a
// reservation that the raylet holds; it travels in values as its id and its bundles.
//   placementGroup() ──createGroup──► PENDING ──► CREATED ──remove()──► REMOVED
// A group ends with the job of whoever made it, unless it is detached: that one is found by its
// name, by any job.
// Source: Ray python/ray/util/placement_group.py.
import {
  parseGroupName,
  parsePlacementGroup,
  parseReadyTimeout,
} from '../runtime/common/call-options.ts'
import { GetTimeoutError, UsageError } from '../runtime/common/errors.ts'
import { toHex } from '../runtime/common/ids.ts'
import { toResources } from '../runtime/common/resources.ts'
import type { PlacementGroup, PlacementGroupOptions, Resources } from '../runtime/common/surface.ts'
import type { CoreWorker } from '../runtime/core-worker/core-worker.ts'
import { registerOwnType } from '../runtime/core-worker/registered-types.ts'
import { ofDetachedIn } from '../runtime/core-worker/scope.ts'
import { currentWorker } from './current.ts'

/** Before the four of its job, by which its row is found. */
const GROUP_ID_RANDOM_BYTES = 8

/**
 * Reserve resources together: all bundles, or none. Returns at once; `ready()` tells the rest.
 * @param bundles  what each part needs: CPU and GPU in units, memory in bytes, custom in units.
 * @param o  strategy: default 'PACK'. name: for people. lifetime: 'detached' outlives its job.
 * @throws UsageError for no bundles, a bundle of nothing, an amount or option that is wrong.
 */
export function placementGroup(
  bundles: readonly Resources[],
  o?: PlacementGroupOptions,
): PlacementGroup {
  const spec = parsePlacementGroup(bundles, o)
  const worker = currentWorker('placementGroup()')
  const random = Buffer.from(worker.deps.random.bytes(GROUP_ID_RANDOM_BYTES))
  const groupId = random.toString('hex') + toHex(worker.jobId)
  const created = worker.deps.raylet.request('createGroup', {
    groupId,
    jobId: worker.jobId,
    name: spec.name ?? groupId,
    detached: spec.detached,
    ...ofDetachedIn(worker.scope()),
    strategy: spec.strategy,
    bundles: spec.bundles,
  })
  return new Reservation(groupId, spec.bundles.map(toResources), created)
}

/** More than a cluster holds: what was cut off could not be found. */
const GROUPS_MAX = 1_000_000

/**
 * The placement group of that name, of whichever job: a detached one outlives its own.
 * @param name  the one it was given, or its id, which is the name of a group without one.
 * @throws UsageError when there is none, or when several have that name.
 * Source: Ray ray.util.get_placement_group.
 */
export async function getPlacementGroup(name: string): Promise<PlacementGroup> {
  const wanted = parseGroupName(name)
  const rows = await groupRows(currentWorker('getPlacementGroup()'))
  const found = rows.filter((row) => row['name'] === wanted || row['groupId'] === wanted)
  const [row, ...others] = found
  if (row === undefined) {
    throw new UsageError(
      `no placement group is named '${wanted}'; \`virga list placement-groups\` shows those that are`,
    )
  }
  if (others.length > 0) {
    const ids = found.map(({ groupId }) => String(groupId)).join(', ')
    throw new UsageError(
      `several placement groups are named '${wanted}': say which by its id: ${ids}`,
    )
  }
  const bundles = (row['bundles'] as readonly { resources: Resources }[]).map(
    ({ resources }) => resources,
  )
  return new Reservation(String(row['groupId']), bundles, Promise.resolve())
}

type GroupRow = Readonly<Record<string, unknown>>

async function groupRows(worker: CoreWorker): Promise<readonly GroupRow[]> {
  const asked = { kind: 'groups', limit: GROUPS_MAX }
  return (await worker.deps.raylet.request('state', asked)).rows
}

class Reservation implements PlacementGroup {
  readonly id: string
  readonly bundles: readonly Resources[]
  /** The raylet's word that it can ever be reserved. */
  readonly #created: Promise<unknown>
  #reserving: { readonly worker: CoreWorker; readonly done: Promise<void> } | undefined

  constructor(id: string, bundles: readonly Resources[], created: Promise<unknown>) {
    this.id = id
    this.bundles = Object.freeze(bundles.map((bundle) => Object.freeze(bundle)))
    created.catch(() => undefined) // told by ready(), wait() and what is submitted to the group
    this.#created = created
  }

  async ready(o?: { timeoutMs?: number }): Promise<void> {
    const timeoutMs = parseReadyTimeout(o)
    if (await this.#within(timeoutMs)) return
    throw new GetTimeoutError(
      `placement group ${this.id} was not reserved within ${String(timeoutMs)} ms; wait longer, ` +
        'or see with `virga status --why` what holds its resources',
      { data: { groupId: this.id, timeoutMs } },
    )
  }

  wait(timeoutMs: number): Promise<boolean> {
    return this.#within(parseReadyTimeout({ timeoutMs }))
  }

  async remove(): Promise<void> {
    const { leases, deps } = currentWorker('remove()')
    leases.groupEnds(this.id)
    await deps.raylet.request('removeGroup', { groupId: this.id })
  }

  /** Whether it is reserved by then. A task that waits here has given its CPU back. */
  async #within(timeoutMs: number | undefined): Promise<boolean> {
    const worker = currentWorker('ready()')
    await this.#created
    if (timeoutMs === 0) return this.#isReserved(worker)
    const reserved = this.#reserve(worker)
    const unblock = worker.blocking.blockForOther()
    try {
      return await limited(worker, timeoutMs, reserved)
    } finally {
      unblock()
    }
  }

  /** One request for all who wait, which does not keep a program open that waits no more. */
  #reserve(worker: CoreWorker): Promise<void> {
    if (this.#reserving?.worker !== worker) {
      const message = { groupId: this.id }
      const done = worker.deps.raylet.request('awaitGroup', message, { holds: false })
      this.#reserving = { worker, done }
      const asked = (): void => {
        this.#reserving = undefined // it may be removed later: who asks then asks anew
      }
      done.then(asked, asked)
      return done
    }
    return this.#reserving.done
  }

  async #isReserved(worker: CoreWorker): Promise<boolean> {
    const rows = await groupRows(worker)
    const row = rows.find((each) => each['groupId'] === this.id)
    if (row === undefined) await this.#reserve(worker) // removed: says so
    return row?.['state'] === 'CREATED'
  }
}

function limited(
  worker: CoreWorker,
  timeoutMs: number | undefined,
  reserved: Promise<void>,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer =
      timeoutMs === undefined
        ? undefined
        : worker.deps.clock.after(timeoutMs, () => {
            resolve(false)
          })
    reserved.then(
      () => {
        timer?.cancel()
        resolve(true)
      },
      (error: Error) => {
        timer?.cancel()
        reject(error)
      },
    )
  })
}

registerOwnType(Reservation, {
  name: 'virga.PlacementGroup',
  encode: ({ id, bundles }) => ({ id, bundles }),
  decode: ({ id, bundles }: { id: string; bundles: readonly Resources[] }) =>
    new Reservation(id, bundles, Promise.resolve()),
})
