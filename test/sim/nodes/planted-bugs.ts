// Bugs planted into what keeps several nodes one cluster: each breaks one promise on purpose, and
// the seeds must catch it.
import { Recovery } from '../../../runtime/core-worker/recovery.ts'
import type { LeaseId } from '../../../runtime/common/ids.ts'
import type { ClientNotices } from '../../../runtime/protocol/messages.ts'
import { LeaseObserver, OwnLease } from '../../../runtime/gcs/lease.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { Present, RowKey, RowValue } from '../../../runtime/gcs/storage.ts'
import { LEASE_MS } from '../../../runtime/gcs/lease-terms.ts'
import { Watcher } from '../../../runtime/gcs/watcher.ts'
import { BulkLanes } from '../../../runtime/raylet/cluster/bulk-lanes.ts'
import { Brain } from '../../../runtime/raylet/brain.ts'
import type { Stimulus } from '../../../runtime/raylet/client-link.ts'
import { swap } from '../planted-bugs.ts'

type Update = MemoryStorage['update']

/** Writes of nodes' rows under another condition, or of other fields. */
function rewriting(
  change: (fields: RowValue, expected: Present) => readonly [RowValue, Present],
): () => void {
  return swap(
    MemoryStorage.prototype,
    'update',
    (real): Update =>
      function (this: MemoryStorage, key: RowKey, fields: RowValue, expected: Present) {
        const args = key.pk.startsWith('N#')
          ? change(fields, expected)
          : ([fields, expected] as const)
        return real.call(this, key, ...args)
      },
  )
}

function without(expected: Present, field: string): Present {
  if (typeof expected === 'number') return expected
  const { [field]: _, ...fields } = expected.fields
  return { fields }
}

/** The brains of raylets do not hear of what is of that kind. */
const deafTo = (kind: Stimulus['kind']): (() => void) =>
  swap(
    Brain.prototype,
    'tell',
    (real) =>
      function (this: Brain, stimulus) {
        if (stimulus.kind !== kind) real.call(this, stimulus)
      },
  )

type Heard = Extract<Stimulus, { kind: 'heardForClient' }>

/** Two leases after each other have the number of the first. */
function oneForTwo(stimulus: Heard): Heard {
  const message = stimulus.message as ClientNotices['leaseGranted']
  const leaseId = (message.leaseId - ((message.leaseId - 1) % 2)) as LeaseId
  return { ...stimulus, message: { ...message, leaseId } }
}

export const NODES_PLANTED_BUGS: Readonly<Record<string, () => () => void>> = {
  'drops the epoch from the condition of a write': () =>
    rewriting((fields, expected) => [fields, without(expected, 'epoch')]),
  'declares a node dead without looking at its row for a lease': () =>
    swap(LeaseObserver.prototype, 'read', () => () => true),
  'counts its lease longer than its watchers do': () =>
    swap(
      OwnLease.prototype,
      'confirmed',
      (real) =>
        function (this: OwnLease, sentAtMs) {
          real.call(this, sentAtMs + LEASE_MS)
        },
    ),
  'does not end its lease while it is paused': () =>
    swap(
      Brain.prototype,
      'tell',
      (real) =>
        function (this: Brain, stimulus) {
          const untilMs = Number.MAX_SAFE_INTEGER
          real.call(this, stimulus.kind === 'confirmed' ? { ...stimulus, untilMs } : stimulus)
        },
    ),
  'lets a heartbeat bring a dead node back': () =>
    rewriting((fields, expected) =>
      'heartbeat' in fields
        ? [{ ...fields, alive: true }, without(expected, 'alive')]
        : [fields, expected],
    ),
  'registers a dead node under its old epoch': () =>
    swap(
      MemoryStorage.prototype,
      'putIf',
      (real) =>
        async function (this: MemoryStorage, key: RowKey, value: RowValue, expected) {
          const before = key.pk.startsWith('N#') ? (await this.get(key))?.value : undefined
          const epoch = before?.['epoch']
          return real.call(this, key, epoch === undefined ? value : { ...value, epoch }, expected)
        },
    ),
  "declares a node dead on one watcher's word": () =>
    swap(
      Watcher.prototype,
      'step',
      (real) =>
        function (this: Watcher, event, nowMs) {
          const effects = real.call(this, event, nowMs)
          for (const effect of effects) {
            if (effect.kind !== 'tell' || !effect.suspicion.gone) continue
            const suspicion = { ...effect.suspicion, blind: true }
            // As if the others had said so too.
            for (const from of effect.to) {
              real.call(this, { kind: 'suspicion', from, suspicion }, nowMs)
            }
          }
          return effects
        },
    ),
  'keeps the leases on a node that is lost': () => deafTo('nodeLost'),
  'keeps the leases of guests whose node is gone': () => deafTo('guestLinkClosed'),
  'forgets that a lease of another node broke': () => deafTo('heardForClient'),
  'takes half of a part for all of it': () =>
    swap(
      BulkLanes.prototype,
      'read',
      (real) =>
        function (this: BulkLanes, node, range, place) {
          const half = { ...range, sizeBytes: Math.ceil(range.sizeBytes / 2) }
          return real.call(this, node, half, place)
        },
    ),
  'uses the number of a lease on another node again': () =>
    swap(
      Brain.prototype,
      'tell',
      (real) =>
        function (this: Brain, stimulus) {
          const isGrant = stimulus.kind === 'heardForClient' && stimulus.type === 'leaseGranted'
          real.call(this, isGrant ? oneForTwo(stimulus) : stimulus)
        },
    ),
  'does not make a lost object again': () => swap(Recovery.prototype, 'lost', () => () => false),
}
