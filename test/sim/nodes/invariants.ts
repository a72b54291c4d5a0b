// What must be true of a cluster of several nodes after every event, and once faults have ended.
//   ND1, ND2, GL1, GL2, WA1  of rows as they are written: witness.ts
//   ND2   who is over hands out nothing: its lease has ended, and it grants none
//   GL1   nothing is granted once the lease has ended
//   DR1   nothing is granted by a node that drains
//   HO2   each life of an actor is constructed by one worker
//   GR1   a bundle is committed once it is written where it lies
//   GU2   guests end with their homes
//   I9    all who are there know the same of each other, may lease, and tasks end well
import { toHex } from '../../../runtime/common/ids.ts'
import { checkAfterEvent } from '../invariants.ts'
import type { SimProcess } from '../process.ts'
import type { Cluster } from './cluster.ts'
import type { SimMember } from './member.ts'

export function checkCluster(cluster: Cluster, process: SimProcess | undefined): void {
  const { world, witness } = cluster
  checkAfterEvent(world, process)
  for (const member of cluster.members) {
    if (!member.process.alive || !member.started) continue
    checkLease(cluster, member, witness.isOver(member))
    if (member.process !== process) continue
    checkGrants(cluster, member)
    checkConstructors(cluster, member)
    checkCommitted(cluster, member)
    noteKeeper(cluster, member)
    notePace(cluster, member)
  }
}

function notePace({ world }: Cluster, { node }: SimMember): void {
  const { isSlow, isAvoided } = node?.raylet.state ?? {}
  if (isAvoided === true) world.probes.hit('a slow node is avoided')
  else if (isSlow === true) world.probes.hit('most nodes are slow, and none is avoided')
}

/** Who keeps limiters of others, after who did and is gone. */
function noteKeeper(cluster: Cluster, member: SimMember): void {
  const kept = member.node?.raylet.state.cluster?.limiters.kept
  if (kept?.sinceMs === undefined || kept.limiters.size === 0 || cluster.keeper === member) return
  const { keeper: before } = cluster
  cluster.keeper = member
  if (before === undefined || (before.isServing && !cluster.witness.isOver(before))) return
  cluster.world.probes.hit('another node became the keeper of limiters')
}

function checkLease({ world }: Cluster, member: SimMember, isOver: boolean): void {
  const { state } = member.node?.raylet ?? {}
  if (state === undefined || state.leaving) return
  const leftMs = state.leaseUntilMs - member.process.clock.monotonicMs()
  if (leftMs === Infinity) world.scheduler.fail(`GL1: the lease of ${member.machine} never ends`)
  if (isOver && leftMs > 0) {
    const what = `${member.machine} is over, and has a lease for ${leftMs.toFixed(0)} ms more`
    world.scheduler.fail(`ND2: ${what}`)
  }
}

/** Of all that it granted in the event that has just ended. */
function checkGrants({ world }: Cluster, member: SimMember): void {
  const { state } = member.node?.raylet ?? {}
  if (state === undefined) return
  if (state.remoteLeases.size > 0) world.probes.hit('a task ran on another node')
  const { wasDraining } = member
  member.wasDraining = state.draining
  if (state.nextLeaseId <= member.leaseSeen + 1) return
  const granted = [...state.leases.keys()].some((leaseId) => leaseId > member.leaseSeen)
  member.leaseSeen = state.nextLeaseId - 1
  if (!granted) return
  if (state.fenced) world.scheduler.fail(`GL1: ${member.machine} grants after its lease`)
  if (wasDraining) world.scheduler.fail(`DR1: ${member.machine} drains, and grants`)
  if (member.process.clock.monotonicMs() >= state.leaseUntilMs) {
    world.scheduler.fail(`GL1: ${member.machine} grants without a lease`)
  }
}

function checkConstructors({ world, constructors }: Cluster, { machine, node }: SimMember): void {
  for (const { spec, incarnation, lease } of node?.raylet.state.actors.values() ?? []) {
    const { worker } = lease ?? {}
    if (worker === undefined) continue
    const life = `life ${String(incarnation)} of ${toHex(spec.actorId)}`
    const before = constructors.get(life)
    constructors.set(life, worker.workerId)
    if (before === undefined || before === worker.workerId) continue
    world.scheduler.fail(`HO2: ${life} is constructed again, on ${machine}`)
  }
}

/** GR1: whoever takes the group over finds in its row what may be committed. */
function checkCommitted({ world, witness }: Cluster, { nodeId, machine, node }: SimMember): void {
  const groups = node?.raylet.state.cluster?.groups.holds.groups ?? []
  for (const [groupId, { bundles }] of groups) {
    for (const { index, attempt, phase } of bundles.values()) {
      if (phase === 'PREPARED' || witness.hasPlaced(groupId, { index, nodeId, attempt })) continue
      const what = `${machine} has bundle ${String(index)} of ${groupId} committed`
      world.scheduler.fail(`GR1: ${what}, and its row does not say so`)
    }
  }
}

/** I9. @returns what is not as it must be once all is well again. */
export function notHealed(cluster: Cluster, sinceMs: number): string[] {
  const serving = cluster.serving()
  const found: string[] = []
  const expected = serving.filter((member) => !member.drained)
  for (const member of cluster.newest()) {
    const row = cluster.witness.rows.get(member.nodeId)
    const mustBeDead = !member.process.alive
    if (mustBeDead && row?.state !== 'DEAD') found.push(`${member.machine} is not declared dead`)
    if (!mustBeDead && !member.isServing) found.push(`${member.machine} lives, and does not serve`)
  }
  if (serving.length < cluster.plan.wellMin) found.push(`${String(serving.length)} nodes serve`)
  for (const member of expected) found.push(...notHealedAt(cluster, member, sinceMs))
  return found
}

/** GU2: guests of processes that live nowhere, and hold what others could use. The word that a
 *  process has ended is on its way for a moment: who is one twice, some time apart, is one. */
export function strangers(cluster: Cluster): Set<string> {
  const states = cluster.serving().flatMap(({ node }) => node?.raylet.state ?? [])
  const clients = states.flatMap(({ clients }) => [...clients.values()])
  const known = new Set(clients.flatMap(({ id, link }) => (link === undefined ? [id] : [])))
  return new Set(
    cluster
      .serving()
      .flatMap(({ machine, node }) =>
        [...(node?.raylet.state.clients.values() ?? [])].flatMap(({ id, link }) =>
          link === undefined || known.has(id)
            ? []
            : [`${machine} has a guest of nobody, ${toHex(id)}`],
        ),
      ),
  )
}

function notHealedAt(cluster: Cluster, member: SimMember, sinceMs: number): string[] {
  const { machine, node, process, goodAtMs } = member
  const found = unknownTo(cluster, member)
  const { state } = node?.raylet ?? {}
  if (state === undefined) return found
  const others = cluster.serving().filter((other) => other !== member && !other.drained)
  const seen = [...(state.cluster?.view.nodes() ?? [])].map(({ nodeId }) => nodeId)
  const own = toHex(member.id)
  const ids = seen.filter((id) => id !== own).sort()
  const wanted = others.map(({ nodeId }) => nodeId).sort()
  if (ids.join() !== wanted.join()) {
    found.push(`${machine} would lease at ${ids.join()}, not at ${wanted.join()}`)
  }
  if (process.clock.monotonicMs() >= state.leaseUntilMs) found.push(`${machine} has no lease`)
  for (const [part, atMs] of goodAtMs) {
    if (atMs < sinceMs) found.push(`no ${part} of ${machine} end well`)
  }
  return found
}

/** What the GCS says of nodes, and it does not know. */
function unknownTo({ witness }: Cluster, { machine, fence }: SimMember): string[] {
  const found: string[] = []
  for (const [nodeId, { epoch, state }] of witness.rows) {
    const known = fence.rows.get(nodeId)
    if (known?.epoch === epoch && known.state === state) continue
    const shown = known === undefined ? 'nothing' : `epoch ${String(known.epoch)} ${known.state}`
    found.push(`${machine} knows of ${nodeId} ${shown}, not epoch ${String(epoch)} ${state}`)
  }
  return found
}
