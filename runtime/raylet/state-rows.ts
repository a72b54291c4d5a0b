// What `virga status`, `list` and the dashboard ask: the brain's state as plain rows (pure).
// Ids are hex and resources are amounts as users write them. Nothing is cut in silence: whoever
// limits says how many rows were left out.
import { toHex } from '../common/ids.ts'
import {
  NO_RESOURCES,
  addResources,
  resourceSet,
  toResources,
  type ResourceSet,
} from '../common/resources.ts'
import type { ObjectStore } from '../objects/store.ts'
import type { ClassSpec, RayletCalls, StateRow } from '../protocol/messages.ts'
import type { Actor, Group, Limiter, RayletState, SchedulingClass, Worker } from './state.ts'

/** Rows of the kinds that the brain knows; undefined for a kind it does not. */
export function stateRows(state: RayletState, kind: string, nowMs: number): StateRow[] | undefined {
  switch (kind) {
    case 'nodes':
      return [nodeRow(state)]
    case 'resources':
      return resourceRows(state)
    case 'workers':
      return [...state.workers.values()].map((worker) => workerRow(worker, nowMs))
    case 'actors':
      return [...state.actors.values()].map(actorRow)
    case 'jobs':
      return [...state.jobs.values()].map((job) => ({
        jobId: toHex(job.jobId),
        name: job.spec.name,
        namespace: job.spec.namespace,
        state: job.endedAtMs === undefined ? 'RUNNING' : 'FINISHED',
        driverId: toHex(job.driver),
        driverPid: state.clients.get(job.driver)?.pid ?? null,
        ageMs: Math.round(nowMs - job.startedAtMs),
      }))
    case 'groups':
      return [...state.groups.values()].map(groupRow)
    case 'why':
      return whyRows(state, nowMs)
    default:
      return undefined
  }
}

function nodeRow(state: RayletState): StateRow {
  const { config } = state
  return {
    nodeId: toHex(config.nodeId),
    epoch: config.epoch,
    alive: true,
    state: state.leaving || state.draining ? 'DRAINING' : 'ALIVE',
    isGcsHost: true,
    resources: toResources(config.totals),
    available: toResources(freeOf(state)),
    labels: config.labels,
    workers: state.workers.size,
  }
}

/** Below zero is how the ledger counts workers that went on while no CPU was free. */
function freeOf(state: RayletState): ResourceSet {
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

function workerRow(worker: Worker, nowMs: number): StateRow {
  const { lease } = worker
  return {
    workerId: toHex(worker.workerId),
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

function actorRow(actor: Actor): StateRow {
  const { spec } = actor
  return {
    actorId: toHex(spec.actorId),
    className: spec.className,
    name: spec.name ?? null,
    namespace: spec.namespace,
    state: actor.phase,
    pid: actor.lease?.worker?.pid ?? null,
    jobId: toHex(spec.jobId),
    incarnation: actor.incarnation,
    detached: spec.detached,
    error: actor.error?.message ?? null,
  }
}

function groupRow(group: Group): StateRow {
  return {
    groupId: group.spec.groupId,
    name: group.spec.name,
    jobId: toHex(group.spec.jobId),
    state: group.state,
    strategy: group.spec.strategy,
    bundles: group.spec.bundles.map((bundle, index) => ({
      resources: toResources(bundle),
      free: toResources(group.bundles[index]?.ledger.free ?? {}),
    })),
  }
}

/** Every shape that waits, how much of it, since when, and for what. */
function whyRows(state: RayletState, nowMs: number): StateRow[] {
  const rows: StateRow[] = []
  for (const job of state.jobs.values()) {
    for (const candidate of job.turns) {
      if (candidate !== 'ACTORS') rows.push(...whyClass(state, candidate, nowMs))
    }
    for (const actor of job.pendingActors) {
      rows.push(
        whyRow(state, actor.spec.scheduling, {
          kind: 'actor',
          name: actor.spec.className,
          count: 1,
          waitedMs: nowMs - actor.waitingSinceMs,
        }),
      )
    }
  }
  for (const lease of state.workerless) {
    const name = lease.actor?.spec.className ?? lease.spec.name
    const kind = lease.actor === undefined ? 'task' : 'actor'
    const why = 'its worker is being started'
    rows.push({ kind, name, count: 1, waitedMs: Math.round(nowMs - lease.grantedAtMs), why })
  }
  for (const group of state.groups.values()) {
    if (group.state !== 'PENDING') continue
    const demand = group.spec.bundles.reduce(addResources, NO_RESOURCES)
    const what = { kind: 'group', name: group.spec.name, count: 1 }
    rows.push(whyDemand(state, demand, { ...what, waitedMs: nowMs - group.waitingSinceMs }))
  }
  for (const limiter of state.limiters.values()) rows.push(...whyLimiter(limiter, nowMs))
  return rows
}

/** Tasks that wait at their owners for a token, as far as they have asked for one. */
function whyLimiter(limiter: Limiter, nowMs: number): StateRow[] {
  const { name, concurrency, perSecond, wanted, waitingSinceMs } = limiter
  if (wanted.size === 0) return []
  const out = sumOf(limiter.out)
  const why =
    out >= concurrency
      ? `${String(out)} of its limiter run, and it allows ${String(concurrency)}`
      : `its limiter starts ${String(perSecond)} per second`
  const waitedMs = Math.round(nowMs - waitingSinceMs)
  return [{ kind: 'limiter', name, count: sumOf(wanted), waitedMs, demand: {}, why }]
}

function sumOf(counts: ReadonlyMap<unknown, number>): number {
  let sum = 0
  for (const count of counts.values()) sum += count
  return sum
}

interface WaitingShape {
  readonly kind: string
  readonly name: string
  readonly count: number
  readonly waitedMs: number
}

function whyClass(state: RayletState, waiting: SchedulingClass, nowMs: number): StateRow[] {
  const count = waiting.wanted - waiting.leases.size
  if (count <= 0) return []
  const waitedMs = nowMs - waiting.waitingSinceMs
  return [whyRow(state, waiting.spec, { kind: 'task', name: waiting.spec.name, count, waitedMs })]
}

function whyRow(state: RayletState, spec: ClassSpec, shape: WaitingShape): StateRow {
  if (spec.strategy.kind !== 'PLACEMENT_GROUP') return whyDemand(state, spec.demand, shape)
  const group = state.groups.get(spec.strategy.groupId)
  const why =
    group?.state === 'CREATED'
      ? 'the bundles of its placement group are in use'
      : 'its placement group is not reserved yet'
  return { ...shape, waitedMs: Math.round(shape.waitedMs), demand: toResources(spec.demand), why }
}

function whyDemand(state: RayletState, demand: ResourceSet, shape: WaitingShape): StateRow {
  const needs = toResources(demand)
  const free = toResources(freeOf(state))
  const lacking = Object.entries(needs)
    .filter(([name, amount]) => (amount ?? 0) > (free[name] ?? 0))
    .map(([name, amount]) => `needs ${name}: ${String(amount)}, ${String(free[name] ?? 0)} free`)
  const why = lacking.length > 0 ? lacking.join('; ') : 'it is next in turn'
  return { ...shape, waitedMs: Math.round(shape.waitedMs), demand: needs, why }
}

/** Every object of this node's store. */
export function objectRows(store: ObjectStore): StateRow[] {
  return store.list().map(({ objectId, creator, ...rest }) => ({
    objectId: toHex(objectId),
    creator: toHex(creator),
    ...rest,
  }))
}

export function limited(rows: readonly StateRow[], limit: number): RayletCalls['state'][1] {
  return { rows: rows.slice(0, limit), dropped: Math.max(0, rows.length - limit) }
}
