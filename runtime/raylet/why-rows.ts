// Why each thing that waits does (pure): what `virga status --why` shows. One row for each shape that
// waits: how many, since when, for what. Nothing waits in silence.
import { toHex, type WorkerId } from '../common/ids.ts'
import {
  NO_RESOURCES,
  addResources,
  lacking,
  showAmount,
  toResources,
  type ResourceSet,
} from '../common/resources.ts'
import type { ObjectStore } from '../objects/store.ts'
import type { ClassSpec, StateRow } from '../protocol/messages.ts'
import { roomForWorkers, workerlessOf } from './pools.ts'
import { sumOf, type Limiter } from './limiters/token-bucket.ts'
import { whyKept, whyTokens } from './limiters/why-tokens.ts'
import type { Lease, RayletState, SchedulingClass, Wait } from './state.ts'
import type { Actor } from './actors/actor-state.ts'
import type { Group } from './groups/group.ts'
import { heldBy, missingFor } from './class-wants.ts'
import { holdersFor } from './groups/group-routing.ts'
import { freeOf } from './state-rows.ts'
import { whyGcs } from './why-gcs.ts'
import { whyNodes, whyNothing } from './why-nodes.ts'

/** What the brain knows to wait. */
export function whyRows(state: RayletState, nowMs: number): StateRow[] {
  const rows: StateRow[] = []
  for (const job of state.jobs.values()) {
    for (const candidate of job.turns) {
      if (candidate === 'ACTORS' || isOfGuest(state, candidate.client)) continue
      rows.push(...whyClass(state, candidate, nowMs))
    }
    for (const actor of job.pendingActors) rows.push(whyActor(state, actor, nowMs))
  }
  rows.push(...whyWorkerless(state, nowMs))
  rows.push(...whyGroups(state, nowMs))
  for (const limiter of state.limiters.values()) rows.push(...whyLimiter(state, limiter, nowMs))
  if (state.cluster !== undefined) rows.push(...whyKept(state, state.cluster, nowMs))
  rows.push(...whyWaits(state, nowMs), ...whyGcs(state, nowMs))
  return rows
}

/** What a guest waits for here is told by its home, which knows where else it may go. */
const isOfGuest = ({ clients }: RayletState, client: WorkerId): boolean =>
  clients.get(client)?.link !== undefined

function whyWorkerless(state: RayletState, nowMs: number): StateRow[] {
  return [...workerlessOf(state)].flatMap((lease) => {
    const { spec, actor, class: of, grantedAtMs } = lease
    const isStarting = mayStart(state, lease)
    if (isStarting && of !== undefined && isOfGuest(state, of.client)) return []
    const what =
      actor === undefined
        ? { kind: 'task', name: spec.name }
        : { kind: 'actor', name: actor.spec.className }
    const why = isStarting ? 'its worker is being started' : whyNoWorker(state)
    return [{ ...what, count: 1, waitedMs: Math.round(nowMs - grantedAtMs), why }]
  })
}

const mayStart = (state: RayletState, { pool }: Lease): boolean =>
  roomForWorkers(state) > 0 || pool.starting > 0

function whyNoWorker({ config: { workersMax } }: RayletState): string {
  return (
    `this node has the ${String(workersMax)} workers that it may have at most, and none is idle: ` +
    'each task that waits in get() keeps one'
  )
}

/** Those that are told here: of several nodes, each by its coordinator. */
function whyGroups(state: RayletState, nowMs: number): StateRow[] {
  return [...state.groups.values()].flatMap((group) => {
    const { spec, across, waitingSinceMs } = group
    const isHere = across === undefined || across.coordinator === toHex(state.config.nodeId)
    if (group.state === 'CREATED' || !isHere) return []
    const shape = { kind: 'group', name: spec.name, count: 1, waitedMs: nowMs - waitingSinceMs }
    if (across === undefined) return [whyDemand(state, group.demand, shape)]
    const lost = spec.bundles.filter((_, index) => across.places[index] === null)
    const demand = lost.reduce(addResources, NO_RESOURCES)
    const why = across.error?.message ?? whyAcross(state, group, lost.length)
    return [{ ...shape, waitedMs: Math.round(shape.waitedMs), demand: toResources(demand), why }]
  })
}

function whyAcross(state: RayletState, { spec, state: phase }: Group, count: number): string {
  if (state.fenced) return whyNothing(state)
  const bundles = count === 1 ? '1 bundle' : `${String(count)} bundles`
  const what = phase === 'RESCHEDULING' ? `${bundles} were lost with a node` : bundles
  return `${what}: no nodes have room for that under ${spec.strategy} now`
}

function whyActor(state: RayletState, actor: Actor, nowMs: number): StateRow {
  const waitedMs = nowMs - actor.waitingSinceMs
  const name = actor.spec.className
  const row = whyRow(state, actor.spec.scheduling, { kind: 'actor', name, count: 1, waitedMs })
  if (actor.phase !== 'RESTARTING') return row
  return { ...row, why: `it is to be started again, and ${String(row['why'])}` }
}

/** Tasks that wait for others or for a reader: as one row, those that wait for the same. */
function whyWaits(state: RayletState, nowMs: number): StateRow[] {
  const shapes = new Map<string, { -readonly [K in keyof WaitingShape]: WaitingShape[K] }>()
  for (const wait of state.waits.values()) {
    const kind = wait.forReader ? 'stream' : wait.isDependency ? 'dependency' : 'get'
    const why = wait.forReader ? FULL_STREAM : waitsFor(wait)
    if (why === undefined) continue
    const key = JSON.stringify([kind, wait.name, why])
    const waitedMs = Math.round(nowMs - wait.sinceMs)
    const shape = shapes.get(key)
    if (shape === undefined) shapes.set(key, { kind, name: wait.name, count: 1, waitedMs, why })
    else {
      shape.count += 1
      shape.waitedMs = Math.max(shape.waitedMs, waitedMs)
    }
  }
  return [...shapes.values()].map((shape) => ({ ...shape, demand: {} }))
}

const FULL_STREAM =
  'it waits for its reader to take items: whoever has the stream must read it or cancel it, ' +
  'and what waits behind it on its worker waits as long'

function waitsFor({ on }: Wait): string | undefined {
  const [first] = on
  if (first === undefined) return undefined
  const others = on.length > 1 ? ` and ${String(on.length - 1)} more` : ''
  return `waits for ${first.name}${others}`
}

const ROOM_FOR = {
  put: 'put',
  restore: 'read of what was spilled',
  copy: 'copy of what another node has',
}

/** What waits for room in the object store. */
export function whyStore(store: Pick<ObjectStore, 'stats' | 'waiting'>): StateRow[] {
  return store.waiting().map(({ kind, count, oldestMs }) => {
    const { usedBytes, pinnedBytes, sizeBytes } = store.stats()
    const why =
      `the object store is full: ${String(usedBytes)} of ${String(sizeBytes)} bytes are used, ` +
      `${String(pinnedBytes)} of them by somebody who reads them`
    return { kind: 'object', name: ROOM_FOR[kind], count, waitedMs: oldestMs, demand: {}, why }
  })
}

/**
 * What waits at its owner, of functions that it asks nothing more for: for its arguments, or its
 * turn; a call also for its actor.
 * @param pending  rows by function, of owners for whom nothing changes.
 */
export function whyPending(state: RayletState, pending: readonly StateRow[]): StateRow[] {
  const asking = new Set<string>()
  const held = new Map<string, number>()
  for (const { jobId, classes, link } of state.clients.values()) {
    if (link !== undefined) continue // a guest: its home has its word
    for (const each of classes.values()) {
      const key = `${jobId === undefined ? '' : toHex(jobId)} ${each.spec.name}`
      if (missingFor(each) > 0) asking.add(key)
      held.set(key, (held.get(key) ?? 0) + heldBy(each))
    }
  }
  return pending.flatMap((row) => {
    const { kind, name } = row
    const what = { name, waitedMs: null, demand: {} }
    if (kind === 'actor') return [{ kind: 'call', ...what, count: row['pending'], why: WHY_CALL }]
    const key = `${String(row['jobId'])} ${String(name)}`
    // What was given a worker since its owner's last word runs.
    const begun = Math.max(0, (held.get(key) ?? 0) - Number(row['running']))
    const count = Number(row['pending']) - begun
    return asking.has(key) || count <= 0 ? [] : [{ kind: 'task', ...what, count, why: WHY_TASK }]
  })
}

const WHY_TASK = 'at its owner: it waits for its arguments, its limiter, or those before it'
const WHY_CALL =
  'it waits for its arguments, for its actor to be constructed, or for the calls before it'

/** Tasks that wait at their owners for a token, as far as they have asked for one. */
function whyLimiter({ cluster }: RayletState, limiter: Limiter, nowMs: number): StateRow[] {
  const { name, wanted, waitingSinceMs } = limiter
  if (wanted.size === 0) return []
  const why = cluster === undefined ? whyNoToken(limiter) : whyTokens(cluster, limiter)
  const waitedMs = Math.round(nowMs - waitingSinceMs)
  return [{ kind: 'limiter', name, count: sumOf(wanted), waitedMs, demand: {}, why }]
}

function whyNoToken({ concurrency, perSecond, out }: Limiter): string {
  const outCount = sumOf(out)
  return outCount >= concurrency
    ? `${String(outCount)} of its limiter run, and it allows ${String(concurrency)}`
    : `its limiter starts ${String(perSecond)} per second`
}

interface WaitingShape {
  readonly kind: string
  readonly name: string
  readonly count: number
  readonly waitedMs: number
  readonly why?: string
}

function whyClass(state: RayletState, waiting: SchedulingClass, nowMs: number): StateRow[] {
  const { spec, waitingSinceMs } = waiting
  const shape = { kind: 'task', name: spec.name, waitedMs: nowMs - waitingSinceMs }
  const asked = askedOf(waiting)
  const underWay = asked.reduce((sum, [, count]) => sum + count, 0)
  const count = missingFor(waiting) - underWay
  const rows = count <= 0 ? [] : [whyRow(state, spec, { ...shape, count })]
  if (underWay === 0) return rows
  const waitedMs = Math.round(shape.waitedMs)
  const demand = toResources(spec.demand)
  const why = whyAsked(asked.map(([nodeId]) => nodeId))
  return [...rows, { ...shape, count: underWay, waitedMs, demand, why }]
}

/** Without the first lease, which waits in another node's turn (OL8): it waits as the rest do. */
const askedOf = ({ asked, waitsAt }: SchedulingClass): [nodeId: string, count: number][] =>
  [...asked]
    .map(([nodeId, count]): [string, number] => [nodeId, nodeId === waitsAt ? count - 1 : count])
    .filter(([, count]) => count > 0)

function whyAsked([first = '', ...others]: readonly string[]): string {
  const more = others.length === 0 ? '' : ` and ${String(others.length)} more`
  return `asked of node ${first}${more}: no answer yet`
}

function whyRow(state: RayletState, spec: ClassSpec, shape: WaitingShape): StateRow {
  if (spec.strategy.kind !== 'PLACEMENT_GROUP') {
    const row = whyDemand(state, spec.demand, shape)
    const why = whyNodes(state, spec)
    return why === undefined ? row : { ...row, why }
  }
  const group = state.groups.get(spec.strategy.groupId)
  const isUsable = group?.state === 'CREATED' || holdersFor(state, spec).length > 0
  const why = isUsable
    ? 'the bundles of its placement group are in use'
    : 'its placement group is not reserved yet'
  return { ...shape, waitedMs: Math.round(shape.waitedMs), demand: toResources(spec.demand), why }
}

function whyDemand(state: RayletState, demand: ResourceSet, shape: WaitingShape): StateRow {
  const free = freeOf(state)
  const needs = lacking(demand, free).map(
    (name) =>
      `needs ${name}: ${showAmount(demand, name)}, ${showAmount(free, name)} free` +
      reservedOf(state, name),
  )
  const why = needs.length > 0 ? needs.join('; ') : whyNothing(state)
  return { ...shape, waitedMs: Math.round(shape.waitedMs), demand: toResources(demand), why }
}

/** What placement groups keep of a resource: `, 2 reserved by the placement group grp`. */
function reservedOf(state: RayletState, resource: string): string {
  const holders = [...state.groups.values()].flatMap(({ spec, bundles }) => {
    const reserved = bundles.map((bundle) => bundle.resources).reduce(addResources, NO_RESOURCES)
    return (reserved[resource] ?? 0) > 0 ? [{ spec, reserved }] : []
  })
  const [first] = holders
  if (first === undefined) return ''
  const others =
    holders.length > 1 ? ` (and ${String(holders.length - 1)} more groups have some)` : ''
  const { name, groupId } = first.spec
  const whose = name === '' ? groupId : name
  return `, ${showAmount(first.reserved, resource)} reserved by the placement group ${whose}${others}`
}
