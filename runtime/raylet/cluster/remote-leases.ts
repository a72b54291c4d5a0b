// What other nodes answer and say of the leases that processes of this node hold there, and what
// becomes of them when a node is lost; node-asks.ts has the picture and the invariants.
import { fromWire } from '../../common/error-wire.ts'
import { toHex, type LeaseId, type WorkerId } from '../../common/ids.ts'
import { NodeDiedError, PlacementGroupRemovedError, type VirgaError } from '../../common/errors.ts'
import { NODE_ID_LABEL } from '../../common/label-selector.ts'
import type { ResourceSet } from '../../common/resources.ts'
import type { ClassSpec, ClientNotices } from '../../protocol/messages.ts'
import { isAvailable } from '../../scheduling/cluster-view.ts'
import { excluding } from '../../scheduling/labels.ts'
import { actorsNodeLost } from '../actors/actors-elsewhere.ts'
import { forgetIfUnused, missingFor, unaskedFor } from '../class-wants.ts'
import { lacksLeaseOf } from '../collect-handles.ts'
import { holderRefused } from '../groups/group-wants.ts'
import { endFirstWait, forgetFirst } from './first-leases.ts'
import { refuseClass } from '../leases.ts'
import { lostWorker } from '../lost-worker.ts'
import { membersOfGroups } from '../groups/cluster-groups.ts'
import { askNode, boundNode, forgetRemote, keyOf, tellBoundNode } from './node-asks.ts'
import { tellNode } from './node-notices.ts'
import { judge } from '../placement.ts'
import type { Client, SchedulingClass } from '../state.ts'
import type { ClusterState, RemoteLease } from './cluster-state.ts'
import { notify, wakeBy, type EventOf, type Turn } from '../turn.ts'

/** As often as a node may say anew what it has free. */
const SHUN_MS = 1_000

/** What came of an effect askLeases; without `answer` the node could not be asked. */
export function leasesAnswered(turn: Turn, event: EventOf<'leasesAnswered'>): void {
  const { nodeId, message, answer } = event
  const { accepted, retryAt } = answer ?? { accepted: 0 }
  const { cluster, clients } = turn.state
  cluster?.view.answered(nodeId, message.spec.demand, message.count)
  if (answer !== undefined) cluster?.view.learn(answer.load)
  else {
    // What it may have given all the same is gossiped; that it gave nothing is not.
    cluster?.view.giveBack(nodeId, message.spec.demand, message.count)
    noAnswer(clients.get(message.client), nodeId)
  }
  const refused = message.count - accepted
  if (refused > 0) shun(turn, nodeId, message.spec.demand)
  const each = clients.get(message.client)?.classes.get(message.classId)
  if (each === undefined) return
  arrived(each, nodeId, refused)
  if (retryAt !== undefined && isOther(turn, retryAt)) {
    const count = Math.min(refused, unaskedFor(each))
    if (count > 0) askBetter(turn, each, { nodeId: retryAt, count, hops: message.hops + 1 })
  }
  forgetIfUnused(turn.state, each)
}

/** Whether it has heard of the client is not known: it is told again, and told when that ends. */
function noAnswer(client: Client | undefined, nodeId: string): void {
  if (client?.knownAt.has(nodeId) === true) client.knownAt.set(nodeId, 'UNSURE')
}

function askBetter(turn: Turn, each: SchedulingClass, ask: Parameters<typeof askNode>[2]): void {
  turn.state.cluster?.view.take(ask.nodeId, each.spec.demand, ask.count)
  askNode(turn, each, ask)
}

/** The better node may be this one: then the rest is placed again, as all that is missing. */
const isOther = ({ state: { cluster, config } }: Turn, nodeId: string): boolean =>
  nodeId !== toHex(config.nodeId) && cluster?.view.get(nodeId) !== undefined

/** OL3. */
export function shun(turn: Turn, nodeId: string, demand: ResourceSet): void {
  const { cluster } = turn.state
  const node = cluster?.view.get(nodeId)
  if (node !== undefined && isAvailable(node, demand)) leaveAlone(turn, nodeId)
}

function leaveAlone(turn: Turn, nodeId: string): void {
  const { cluster } = turn.state
  if (cluster?.view.get(nodeId) === undefined || cluster.shunned.has(nodeId)) return
  const untilMs = turn.nowMs + SHUN_MS
  cluster.shunned.set(nodeId, untilMs)
  cluster.view.setAside(nodeId)
  wakeBy(turn, untilMs)
}

/** On a tick. */
export function endShunning(turn: Turn): void {
  const { cluster } = turn.state
  if (cluster === undefined) return
  for (const [nodeId, untilMs] of cluster.shunned) {
    if (untilMs > turn.nowMs) {
      wakeBy(turn, untilMs)
      continue
    }
    cluster.shunned.delete(nodeId)
    cluster.view.letIn(nodeId)
    tellBoundAgain(turn, nodeId)
  }
}

/** The node may not have heard, or has forgotten, what classes bound to it want (OL4). */
function tellBoundAgain(turn: Turn, nodeId: string): void {
  for (const client of turn.state.clients.values()) {
    for (const each of client.classes.values()) {
      if (each.wanted > 0 && boundNode(turn.state, each.spec) === nodeId) tellBoundNode(turn, each)
    }
  }
}

/** OL2. */
function arrived(each: SchedulingClass, nodeId: string, count: number): void {
  const left = (each.asked.get(nodeId) ?? 0) - count
  if (left > 0) each.asked.set(nodeId, left)
  else each.asked.delete(nodeId)
}

export function leaseLapsed(turn: Turn, { nodeId, client, classId }: EventOf<'leaseLapsed'>): void {
  const each = turn.state.clients.get(client)?.classes.get(classId)
  if (each === undefined) return
  arrived(each, nodeId, 1)
  forgetIfUnused(turn.state, each)
}

/** A notice of another raylet for a process of this node, whose leases it knows by its own numbers. */
export function heardForClient(turn: Turn, event: EventOf<'heardForClient'>): void {
  const { nodeId, client, type } = event
  switch (type) {
    case 'leaseGranted':
      granted(turn, nodeId, client, event.message as ClientNotices['leaseGranted'])
      return
    case 'reclaimLease': {
      const message = event.message as ClientNotices['reclaimLease']
      const lease = turn.state.remoteByKey.get(keyOf(nodeId, message.leaseId))
      if (lease !== undefined) notify(turn, client, type, { leaseId: lease.leaseId })
      return
    }
    case 'leaseBroken': {
      const message = event.message as ClientNotices['leaseBroken']
      const lease = turn.state.remoteByKey.get(keyOf(nodeId, message.leaseId))
      if (lease === undefined) return
      const goesOn = mayBeRunElsewhere(turn, lease, message) ? { goesOn: true } : {}
      forgetRemote(turn, lease)
      notify(turn, client, type, { ...message, ...goesOn, leaseId: lease.leaseId })
      return
    }
    case 'classRefused': {
      const { classId, error } = event.message as ClientNotices['classRefused']
      const each = turn.state.clients.get(client)?.classes.get(classId)
      if (each !== undefined) refusedBy(turn, nodeId, each, fromWire(error))
      return
    }
    case 'collectHandles': {
      const { classId } = event.message as ClientNotices['collectHandles']
      const owned = turn.state.clients.get(client)?.classes.get(classId ?? -1)
      const isWanted = classId === undefined || (owned !== undefined && lacksLeaseOf(turn, owned))
      if (isWanted) notify(turn, client, type, {})
      return
    }
    case 'output':
      notify(turn, client, type, event.message as ClientNotices['output'])
  }
}

/** OL6. */
function refusedBy(turn: Turn, nodeId: string, each: SchedulingClass, reason: VirgaError): void {
  each.asked.delete(nodeId)
  forgetFirst(each, nodeId)
  const { cluster } = turn.state
  const { strategy } = each.spec
  if (cluster !== undefined && strategy.kind === 'PLACEMENT_GROUP' && isOfItsNode(reason)) {
    holderRefused(turn, cluster, strategy.groupId)
    return
  }
  const spec = specWithout(each.spec, nodeId)
  if (spec === undefined || judge(turn.state, spec, 'task') !== undefined) {
    refuseClass(turn, each, reason)
    return
  }
  each.spec = spec
  forgetIfUnused(turn.state, each)
}

/** Whether the node leaves alone, and not what its class can run on. */
function mayBeRunElsewhere(
  { state }: Turn,
  { nodeId, class: { spec } }: RemoteLease,
  { error }: ClientNotices['leaseBroken'],
): boolean {
  if (error === undefined || !(fromWire(error) instanceof NodeDiedError)) return false
  const without = specWithout(spec, nodeId)
  return without !== undefined && judge(state, without, 'task') === undefined
}

/** Its bundles are there no more: whether its group is, the coordinator says. */
const isOfItsNode = (reason: VirgaError): boolean =>
  reason instanceof PlacementGroupRemovedError || reason instanceof NodeDiedError

/** Undefined: it is bound to that node. */
function specWithout(spec: ClassSpec, nodeId: string): ClassSpec | undefined {
  const { strategy, labelSelectors: given } = spec
  const isBound = strategy.kind === 'NODE_AFFINITY' && strategy.nodeId === nodeId
  if (isBound && !strategy.soft) return undefined
  const labelSelectors = (given.length > 0 ? given : [{}])
    .map((selector) => excluding(selector, NODE_ID_LABEL, nodeId))
    .filter((selector) => selector !== undefined)
  if (labelSelectors.length === 0) return undefined
  return { ...spec, labelSelectors, ...(isBound ? { strategy: { kind: 'DEFAULT' } } : {}) }
}

function granted(
  turn: Turn,
  nodeId: string,
  client: WorkerId,
  message: ClientNotices['leaseGranted'],
): void {
  const { state } = turn
  const each = state.clients.get(client)?.classes.get(message.classId)
  if (each === undefined || isTooMuch(each)) {
    tellNode(turn, nodeId, 'returnLease', { client, leaseId: message.leaseId, retire: false })
    return
  }
  arrived(each, nodeId, 1)
  const lease: RemoteLease = {
    leaseId: state.nextLeaseId++ as LeaseId,
    nodeId,
    remoteId: message.leaseId,
    workerId: message.workerId,
    class: each,
  }
  each.remote.add(lease)
  endFirstWait(turn, each)
  state.remoteLeases.set(lease.leaseId, lease)
  state.remoteByKey.set(keyOf(nodeId, lease.remoteId), lease)
  each.waitingSinceMs = turn.nowMs
  notify(turn, client, 'leaseGranted', { ...message, leaseId: lease.leaseId })
}

/** Each holder of a group's bundles is told all that is missing (group-wants.ts). */
const isTooMuch = (each: SchedulingClass): boolean =>
  each.spec.strategy.kind === 'PLACEMENT_GROUP' && missingFor(each) <= 0

/** OL1, OL3. */
export function nodeLost(turn: Turn, { nodeId }: EventOf<'nodeLost'>): void {
  const { state } = turn
  for (const lease of [...state.remoteLeases.values()]) {
    if (lease.nodeId !== nodeId) continue
    forgetRemote(turn, lease)
    const { leaseId, workerId, class: each } = lease
    notify(turn, each.client, 'leaseBroken', { leaseId, exit: lostWorker(workerId) })
  }
  leaveAlone(turn, nodeId)
  actorsNodeLost(turn, nodeId)
  for (const client of state.clients.values()) {
    client.knownAt.delete(nodeId)
    for (const each of client.classes.values()) {
      each.asked.delete(nodeId)
      forgetFirst(each, nodeId)
      each.told?.delete(nodeId)
      forgetIfUnused(state, each)
    }
  }
}

/**
 * What other nodes work may go to, as the membership and this node's watch say. Who is only
 * suspected may be back at once: nothing is placed there meanwhile, and what fits only there waits
 * (OL5).
 */
export function nodesChanged(turn: Turn, event: EventOf<'nodes'>): void {
  const { nodes, suspected, members } = event
  const { state } = turn
  const { cluster } = state
  if (cluster === undefined) return
  const current = new Set([toHex(state.config.nodeId), ...nodes.map(({ nodeId }) => nodeId)])
  let isFewer = false
  for (const { nodeId } of [...cluster.view.nodes()]) {
    if (current.has(nodeId)) continue
    forget(cluster, nodeId)
    isFewer = true
  }
  for (const node of nodes) cluster.view.refresh(node)
  suspect(turn, cluster, suspected)
  if (isFewer) refuseWhatFitsNowhere(turn)
  membersOfGroups(turn, cluster, members)
}

/** That node has said so itself, before its row was heard of: nothing more is placed there. */
export function nodeLeaves(turn: Turn, nodeId: string): void {
  const { cluster } = turn.state
  if (cluster?.view.get(nodeId) === undefined) return
  forget(cluster, nodeId)
  refuseWhatFitsNowhere(turn)
}

function forget({ view, shunned }: ClusterState, nodeId: string): void {
  view.delete(nodeId)
  shunned.delete(nodeId)
}

/** OL5. Whoever answers again is let in by the next tick. */
function suspect(
  turn: Turn,
  { view, shunned }: ClusterState,
  suspected: ReadonlySet<string>,
): void {
  for (const nodeId of suspected) {
    shunned.set(nodeId, Infinity)
    view.setAside(nodeId)
  }
  for (const [nodeId, untilMs] of shunned) {
    if (untilMs !== Infinity || suspected.has(nodeId)) continue
    shunned.set(nodeId, turn.nowMs)
    wakeBy(turn, turn.nowMs)
  }
}

function refuseWhatFitsNowhere(turn: Turn): void {
  for (const client of turn.state.clients.values()) {
    if (client.link !== undefined) continue
    for (const each of client.classes.values()) {
      if (each.wanted === 0) continue
      const reason = judge(turn.state, each.spec, 'task')
      if (reason !== undefined) refuseClass(turn, each, reason)
    }
  }
}
