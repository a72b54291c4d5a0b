// Nodes in the GCS: they register, write heartbeats whose reply brings them their commands, drain,
// leave, and are declared dead. The membership row counts what changed, so that everybody can keep
// a view by reading one small row.
// Invariants:
//   ND1. Every write of a node's row names the epoch it believes in; a stale one is refused.
//   ND2. DEAD is final for an epoch. Who comes back registers anew, under the next epoch.
//   ND3. A node of another cluster epoch (tables restored or emptied under it) is no member.
// Source: design 8; faults.md F08, F13-F16, F25, F37.
import { GcsUnavailableError, NodeDiedError } from '../common/errors.ts'
import { amount, count, listOf, oneOf, optional, recordOf, shape, text } from '../common/shape.ts'
import { showValue } from '../common/show-value.ts'
import { decidePut, decideUpdate } from './decide.ts'
import {
  arePacked,
  packChanges,
  unpackChanges,
  type Announcement,
  type MembershipChange,
  type NodeState,
} from './membership-changes.ts'
import { queryAll } from './query-all.ts'
import { readRow, type FieldsOf } from './read-row.ts'
import type { Row, RowValue, Storage, WriteOutcome } from './storage.ts'
import { membershipKey, nodeKey, shardsOf } from './tables.ts'
import { untilWon, type RaceDeps } from './until-won.ts'

export interface NodeSpec {
  /** Hex. */
  readonly nodeId: string
  readonly address: string
  readonly pid: number
  readonly totals: Readonly<Record<string, number>>
  readonly labels: Readonly<Record<string, string>>
}

export interface NodeCommand {
  readonly sequence: number
  readonly kind: 'drain' | 'stop'
}

export interface NodeRow extends NodeSpec {
  readonly epoch: number
  readonly state: NodeState
  /** Grows by one with every heartbeat. */
  readonly heartbeat: number
  readonly commands: readonly NodeCommand[]
  /** Of the newest command, and of the newest one that the node has performed. */
  readonly lastCommand: number
  readonly doneCommand: number
  /** Why it is DEAD. */
  readonly death: string | undefined
}

const state = oneOf('ALIVE', 'DRAINING', 'DEAD')
const COMMAND: FieldsOf<NodeCommand> = { sequence: count, kind: oneOf('drain', 'stop') }
const NODE: FieldsOf<NodeRow> = {
  ...{ nodeId: text, address: text, pid: count, totals: recordOf(amount), labels: recordOf(text) },
  ...{ epoch: count, state, heartbeat: count, commands: listOf(shape(COMMAND)) },
  ...{ lastCommand: count, doneCommand: count, death: optional(text) },
}

/** As one node tells another of itself. */
export const nodeRow = shape(NODE)

/** What every member is a member of. */
export interface Membership {
  readonly clusterEpoch: string
  readonly version: number
  readonly changes: readonly MembershipChange[]
}

interface MembershipFields extends Omit<Membership, 'changes'> {
  readonly changes: Uint8Array
}

const MEMBERSHIP: FieldsOf<MembershipFields> = {
  ...{ clusterEpoch: text, version: count, changes: arePacked },
}

/** Who writes: a node in one epoch of its life. */
export interface Member {
  readonly nodeId: string
  readonly epoch: number
  readonly clusterEpoch: string
}

/** A member as it registered. */
export interface Registration extends Member {
  /** Of the membership when that was opened: at least so many had come or gone. */
  readonly version: number
  readonly row: NodeRow
  /** Before its row was written, in the node's own monotonic time: its first heartbeat. */
  readonly sentAtMs: number
}

/**
 * The membership row, made if there is none.
 * @param newEpoch  random; taken when the cluster is new.
 */
export async function openMembership(storage: Storage, newEpoch: string): Promise<Membership> {
  const row = await storage.get(membershipKey)
  if (row !== undefined) return asMembership(row)
  const outcome = await decidePut(storage, {
    key: membershipKey,
    value: { clusterEpoch: newEpoch, version: 0, changes: packChanges([]) },
    expected: 'ABSENT',
    isOurs: (value) => value['clusterEpoch'] === newEpoch,
  })
  const made = rowOf(outcome)
  if (made !== undefined) return asMembership(made)
  throw new GcsUnavailableError('the membership row went while it was made: try again')
}

/** @returns undefined when the tables are empty. */
export async function readMembership(
  storage: Storage,
  options: { readonly stale: boolean },
): Promise<Membership | undefined> {
  const row = await storage.get(membershipKey, options)
  return row && asMembership(row)
}

/**
 * Become a member, under an epoch that nobody had before. Others learn of it by `announce`, which
 * may take long: heartbeats are written meanwhile.
 * @param token  random: tells our own registration from that of a twin with the same node id.
 */
export async function registerNode(
  deps: RaceDeps,
  spec: NodeSpec,
  opened: Pick<Membership, 'clusterEpoch' | 'version'> & { readonly token: string },
): Promise<Registration> {
  const { storage, clock } = deps
  const { nodeId } = spec
  const { clusterEpoch, version, token } = opened
  return await untilWon<Registration>(deps, `node ${nodeId} registers`, async () => {
    const sentAtMs = clock.monotonicMs()
    const before = await storage.get(nodeKey(nodeId))
    const epoch = Number(before?.value['epoch'] ?? 0) + 1
    const outcome = await decidePut(storage, {
      key: nodeKey(nodeId),
      value: { ...spec, ...FRESH, epoch, token },
      expected: before?.version ?? 'ABSENT',
      isOurs: (value) => value['token'] === token,
    })
    if (!outcome.won) return 'LOST'
    const row = asNode({ key: nodeKey(nodeId), value: { ...spec, ...FRESH, epoch } })
    return { nodeId, epoch, clusterEpoch, version, sentAtMs, row }
  })
}

const FRESH = {
  state: 'ALIVE',
  alive: true,
  heartbeat: 0,
  commands: [],
  lastCommand: 0,
  doneCommand: 0,
} as const

export interface Heartbeat {
  readonly heartbeat: number
  readonly doneCommand: number
  readonly state: 'ALIVE' | 'DRAINING'
}

/**
 * One write: still here. Safe to repeat.
 * @returns the commands that are still to be performed, in order.
 * @throws NodeDiedError when this member is none any more (ND1, ND2): it must exit.
 */
export async function writeHeartbeat(
  storage: Storage,
  member: Member,
  beat: Heartbeat,
): Promise<readonly NodeCommand[]> {
  const { nodeId, epoch } = member
  const expected = { fields: { epoch, alive: true } }
  const outcome = await storage.update(nodeKey(nodeId), { ...beat }, expected)
  if (!outcome.won) throw expelled(member, outcome.current?.value)
  return asNode(outcome.row).commands.filter(({ sequence }) => sequence > beat.doneCommand)
}

/** ND3. */
export function isMembershipOf(
  { clusterEpoch }: Member,
  membership: Membership | undefined,
): membership is Membership {
  return membership?.clusterEpoch === clusterEpoch
}

/**
 * Why a member is none any more.
 * @param value  its row as it stands; undefined: its cluster is gone (ND3).
 */
export function expelled(
  { nodeId, epoch, clusterEpoch }: Member,
  value: RowValue | undefined,
): NodeDiedError {
  // Also for a row of another version: whoever wrote it, this member is none any more.
  const { epoch: now, death } = value ?? {}
  const why =
    value === undefined
      ? `it is not a member of cluster epoch ${clusterEpoch}: the tables were restored or emptied`
      : now !== epoch
        ? `epoch ${showValue(now)} of it has registered`
        : `it was declared dead (${typeof death === 'string' ? death : 'for no reason given'})`
  return new NodeDiedError(
    `node ${nodeId} in epoch ${String(epoch)} must stop: ${why}; start it anew`,
    { data: { nodeId, epoch, clusterEpoch } },
  )
}

/**
 * Have a node do something; it learns of it with its next heartbeat.
 * @returns false when there is no such living node.
 */
export async function sendCommand(
  deps: RaceDeps,
  nodeId: string,
  kind: NodeCommand['kind'],
): Promise<boolean> {
  const { storage } = deps
  return await untilWon<boolean>(deps, `node ${nodeId} is sent a command`, async () => {
    const node = await readNode(storage, nodeId)
    if (node === undefined || node.state === 'DEAD') return false
    const { epoch, lastCommand, doneCommand } = node
    const pending = node.commands.filter(({ sequence }) => sequence > doneCommand)
    if (pending.some((command) => command.kind === kind)) return true
    const sequence = lastCommand + 1
    // Heartbeats go on meanwhile; only another command is in the way.
    const outcome = await decideUpdate(storage, {
      key: nodeKey(nodeId),
      fields: { commands: [...pending, { sequence, kind }], lastCommand: sequence },
      expected: { fields: { epoch, lastCommand, alive: true } },
      isOurs: () => false, // two who send the same command are both content
    })
    return outcome.won || 'LOST'
  })
}

/** A node that is dead in that epoch, and why, for people. */
export interface NodeDeath {
  readonly nodeId: string
  readonly epoch: number
  readonly death: string
}

/** Whose death, and what was seen of it. */
export interface Death {
  readonly nodeId: string
  readonly epoch: number
  /** The last one seen: a node that has written another since is alive. */
  readonly heartbeat: number
  /** Who says so and why, for people. */
  readonly reason: string
}

/**
 * @param tell  everybody. Default: by a write of its own.
 * @returns whether that epoch of the node is dead now, by whomever.
 */
export async function declareDead(
  deps: RaceDeps,
  death: Death,
  tell = (told: Announcement): Promise<void> => announce(deps, [told]),
): Promise<boolean> {
  const { nodeId, epoch, heartbeat, reason } = death
  const outcome = await decideUpdate(deps.storage, {
    key: nodeKey(nodeId),
    fields: { state: 'DEAD', alive: false, death: reason },
    expected: { fields: { epoch, heartbeat, alive: true } },
    isOurs: (value) => value['alive'] === false && value['epoch'] === epoch,
  })
  if (!outcome.won && outcome.current?.value['epoch'] === epoch) return false
  await tell(deathOf({ nodeId, epoch, death: reason }))
  return true
}

/** The reason of a node that says goodbye. */
export const SHUT_DOWN = 'it was shut down'

/**
 * Tell everybody, by the membership row, those of these that it does not name already: all in one
 * write. Safe to repeat.
 */
export async function announce(deps: RaceDeps, all: readonly Announcement[]): Promise<void> {
  const { storage } = deps
  await untilWon<true>(deps, whatIsAnnounced(all), async () => {
    const row = await storage.get(membershipKey)
    if (row === undefined) return true // ND3 ends this node at its next heartbeat
    const { clusterEpoch, version, changes } = asMembership(row)
    const untold = all.filter((each) => !isTold(each, changes))
    if (untold.length === 0) return true
    const outcome = await decidePut(storage, {
      key: membershipKey,
      value: {
        ...{ clusterEpoch, version: version + untold.length },
        changes: packChanges([...changes, ...untold]),
      },
      expected: row.version,
      isOurs: (value) => {
        const told = asMembership({ key: membershipKey, value }).changes
        return untold.every((each) => isTold(each, told))
      },
    })
    return outcome.won || 'LOST'
  })
}

const isTold = (
  { nodeId, epoch, state }: Announcement,
  changes: readonly MembershipChange[],
): boolean => changes.some((it) => it.nodeId === nodeId && it.epoch === epoch && it.state === state)

function whatIsAnnounced(all: readonly Announcement[]): string {
  const [first] = all
  const others = all.length - 1
  const one = `node ${first?.nodeId ?? ''} is announced as ${first?.state ?? ''}`
  return others > 0 ? `${one}, and ${String(others)} others` : one
}

/** What is told of a node whose row says that it is dead. */
export const deathOf = ({
  nodeId,
  epoch,
  death,
}: Pick<NodeRow, 'nodeId' | 'epoch' | 'death'>): Announcement => ({
  ...{ nodeId, epoch, state: 'DEAD' },
  ...(death === SHUT_DOWN ? { left: true } : {}),
})

/** Its row says that it is dead and what everybody reads says that it lives: its writer could not
 *  come to tell it. */
export function isUntoldDeath({ nodeId, epoch, state }: NodeRow, { changes }: Membership): boolean {
  if (state !== 'DEAD') return false
  const told = changes.filter((change) => change.nodeId === nodeId && change.epoch === epoch)
  return told.length > 0 && told.every((change) => change.state !== 'DEAD')
}

/** @returns undefined when it never registered. */
export async function readNode(storage: Storage, nodeId: string): Promise<NodeRow | undefined> {
  const row = await storage.get(nodeKey(nodeId))
  return row && asNode(row)
}

/** Whether a node in that epoch of its life is dead, or was never a member of this cluster. */
export async function isGone(
  storage: Storage,
  { nodeId, epoch }: Pick<Member, 'nodeId' | 'epoch'>,
): Promise<boolean> {
  const node = await readNode(storage, nodeId)
  return node === undefined || node.state === 'DEAD' || node.epoch !== epoch
}

/** Every node that has a row, the dead included. */
export async function readNodes(storage: Storage): Promise<readonly NodeRow[]> {
  const rows = await queryAll(storage, shardsOf('N'))
  return rows.map((row) => asNode(row))
}

const rowOf = (outcome: WriteOutcome): Row | undefined =>
  outcome.won ? outcome.row : outcome.current

function asMembership(row: Pick<Row, 'key' | 'value'>): Membership {
  const { changes, ...rest } = readRow<MembershipFields>(row, MEMBERSHIP)
  return { ...rest, changes: unpackChanges(changes, rest.version) }
}
const asNode = (row: Pick<Row, 'key' | 'value'>): NodeRow => readRow(row, NODE)
