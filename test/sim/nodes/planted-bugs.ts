// Bugs planted into what keeps several nodes one cluster: each breaks one promise on purpose, and
// the seeds must catch it.
import { LeaseObserver, OwnLease } from '../../../runtime/gcs/lease.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { Present, RowKey, RowValue } from '../../../runtime/gcs/storage.ts'
import { LEASE_MS } from '../../../runtime/gcs/lease-terms.ts'
import { Brain } from '../../../runtime/raylet/brain.ts'
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
}
