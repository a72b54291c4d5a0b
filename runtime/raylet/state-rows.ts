// What `virga status`, `list` and the dashboard ask: the brain's state as plain rows (pure).
// Ids are hex and resources are amounts as users write them. Nothing is cut in silence: whoever
// limits says how many rows were left out.
import { toHex } from '../common/ids.ts'
import { NO_RESOURCES, resourceSet, toResources, type ResourceSet } from '../common/resources.ts'
import type { ObjectStore } from '../objects/store.ts'
import type { RayletCalls, StateRow } from '../protocol/messages.ts'
import type { Job, RayletState, Worker } from './state.ts'
import type { Actor } from './actors/actor-state.ts'
import type { Group } from './groups/group.ts'

/** Rows of the kinds that the brain knows; undefined for a kind it does not. */
export function stateRows(state: RayletState, kind: string, nowMs: number): StateRow[] | undefined {
  switch (kind) {
    case 'nodes':
      return [nodeRow(state)]
    case 'resources':
      return resourceRows(state)
    case 'workers':
      return [...state.workers.values()].map((worker) => workerRow(state, worker, nowMs))
    case 'actors':
      return actorsHere(state).map((actor) => actorRow(state, actor, nowMs))
    case 'jobs':
      return drivenHere(state).map((job) => ({
        jobId: toHex(job.jobId),
        nodeId: toHex(state.config.nodeId),
        name: job.spec.name,
        namespace: job.spec.namespace,
        state: job.endedAtMs === undefined ? 'RUNNING' : 'FINISHED',
        driverId: toHex(job.driver),
        driverPid: state.clients.get(job.driver)?.pid ?? null,
        ageMs: Math.round(nowMs - job.startedAtMs),
      }))
    case 'groups':
      return [...state.groups.values()].map((group) => groupRow(state, group))
    default:
      return undefined
  }
}

/** Guests' jobs have their row where they are driven. */
const drivenHere = (state: RayletState): Job[] =>
  [...state.jobs.values()].filter(({ drivenAt }) => drivenAt === undefined)

function nodeRow(state: RayletState): StateRow {
  const { config } = state
  return {
    nodeId: toHex(config.nodeId),
    epoch: config.epoch,
    alive: true,
    state: state.leaving || state.draining ? 'DRAINING' : 'ALIVE',
    isGcsHost: config.isGcsHost,
    isSlow: state.isSlow,
    resources: toResources(config.totals),
    available: toResources(freeOf(state)),
    labels: config.labels,
    workers: state.workers.size,
  }
}

/** Below zero is how the ledger counts workers that went on while no CPU was free. */
export function freeOf(state: RayletState): ResourceSet {
  const entries = Object.entries(state.ledger.free).map(([name, units]) => [
    name,
    Math.max(0, units),
  ])
  return resourceSet(Object.fromEntries(entries) as Record<string, number>)
}

function resourceRows(state: RayletState): StateRow[] {
  const totals = toResources(state.config.totals)
  const free = toResources(freeOf(state))
  return Object.entries(totals).map(([name, total]) => ({ name, total, free: free[name] ?? 0 }))
}

function workerRow({ config }: RayletState, worker: Worker, nowMs: number): StateRow {
  const { lease } = worker
  return {
    workerId: toHex(worker.workerId),
    nodeId: toHex(config.nodeId),
    pid: worker.pid,
    jobId: toHex(worker.jobId),
    state: lease === undefined ? worker.phase : lease.actor === undefined ? 'LEASED' : 'ACTOR',
    name: lease?.actor?.spec.className ?? lease?.spec.name ?? '',
    blocked: (lease?.waits.size ?? 0) > 0,
    gpuIds: lease?.allocation.gpuIds ?? [],
    rssBytes: worker.rssBytes,
    ageMs: Math.round(nowMs - worker.startedAtMs),
  }
}

/** One that another node hosts has its row there. */
const actorsHere = (state: RayletState): Actor[] =>
  [...state.actors.values()].filter(({ place }) => place !== 'AWAY')

function actorRow({ config }: RayletState, actor: Actor, nowMs: number): StateRow {
  const { spec, phase, holder, diedAtMs } = actor
  return {
    actorId: toHex(spec.actorId),
    nodeId: (phase === 'DEAD' ? holder?.nodeId : undefined) ?? toHex(config.nodeId),
    className: spec.className,
    name: spec.name ?? null,
    namespace: spec.namespace,
    state: actor.phase,
    pid: actor.lease?.worker?.pid ?? null,
    jobId: toHex(spec.jobId),
    incarnation: actor.incarnation,
    detached: spec.detached,
    error: actor.error?.message ?? null,
    deadMs: diedAtMs === undefined ? null : Math.round(nowMs - diedAtMs),
  }
}

/**
 * Of several nodes, each that knows it has a row, and knows what is free of its own bundles;
 * `coordinator` says whose row counts (cluster-rows.ts).
 */
function groupRow({ config }: RayletState, group: Group): StateRow {
  const own = toHex(config.nodeId)
  const { bundles: here, across } = group
  return {
    groupId: group.spec.groupId,
    name: group.spec.name,
    jobId: toHex(group.spec.jobId),
    state: group.state,
    detached: group.spec.detached,
    strategy: group.spec.strategy,
    coordinator: across?.coordinator ?? own,
    ...(across === undefined ? {} : { answeredBy: own }),
    bundles: group.spec.bundles.map((bundle, index) => {
      const held = here.find((each) => each.index === index)
      const nodeId = held === undefined ? (across?.places[index] ?? null) : own
      return {
        ...{ resources: toResources(bundle), nodeId },
        free: toResources(held?.ledger.free ?? NO_RESOURCES),
      }
    }),
    ...(across?.error === undefined ? {} : { error: across.error.message }),
  }
}

/** The objects of a node's store, as many as are asked for. @param nodeId  in hex. */
export function objectRows(
  store: ObjectStore,
  nodeId: string,
  limit: number,
): RayletCalls['state'][1] {
  const { rows: objects, dropped } = limited(store.list(), limit)
  const rows = objects.map(({ objectId, creator, ...rest }) => ({
    objectId: toHex(objectId),
    nodeId,
    creator: toHex(creator),
    ...rest,
  }))
  return { rows, dropped }
}

export function limited<T>(rows: readonly T[], limit: number): { rows: T[]; dropped: number } {
  return { rows: rows.slice(0, limit), dropped: Math.max(0, rows.length - limit) }
}
