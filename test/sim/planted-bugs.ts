// Bugs planted on purpose, each by patching one method or field of the real parts for one run: what
// never caught a bug proves nothing. Every one breaks a promise that the simulation must notice.
// Source: TigerBeetle, "the fuzzer's blind spots"; mutation testing.
import { ResourceLedger } from '../../runtime/common/resource-ledger.ts'
import { Borrowers } from '../../runtime/core-worker/borrowers.ts'
import { Fifo } from '../../runtime/core-worker/fifo.ts'
import { Getter } from '../../runtime/core-worker/get.ts'
import { Handoffs } from '../../runtime/core-worker/handoffs.ts'
import { Lineage } from '../../runtime/core-worker/lineage.ts'
import { Leases } from '../../runtime/core-worker/leases.ts'
import { Limiters } from '../../runtime/core-worker/limiters.ts'
import { ObjectEntry } from '../../runtime/core-worker/object-entry.ts'
import { Peer } from '../../runtime/core-worker/peers.ts'
import { References } from '../../runtime/core-worker/references.ts'
import { StoreClient } from '../../runtime/core-worker/store-client.ts'
import { Submitter } from '../../runtime/core-worker/submit.ts'
import { TaskEnds } from '../../runtime/core-worker/task-ends.ts'
import { TaskRecord } from '../../runtime/core-worker/task-record.ts'
import { MemoryStorage } from '../../runtime/gcs/storage-memory.ts'
import type { RowKey, RowValue, WriteOutcome } from '../../runtime/gcs/storage.ts'
import { FusedSpill } from '../../runtime/objects/spill-files.ts'
import { ObjectStore } from '../../runtime/objects/store.ts'
import type { World } from './world.ts'

/** Plants a bug; returns what takes it out again. */
export type Plant = (world: World) => () => void

/** Puts another member in the place of a real one. */
export function swap<T extends object, K extends keyof T>(
  owner: T,
  name: K,
  make: (real: T[K]) => T[K],
): () => void {
  const before = Object.getOwnPropertyDescriptor(owner, name)
  if (before === undefined) throw new Error(`there is no ${String(name)} to plant a bug in`)
  Object.defineProperty(owner, name, { ...before, value: make(owner[name]) })
  return () => {
    Object.defineProperty(owner, name, before)
  }
}

const nothing = (): undefined => undefined

export const PLANTED_BUGS: Readonly<Record<string, Plant>> = {
  'grants more than is free': () =>
    swap(
      ResourceLedger.prototype,
      'isAvailable',
      () =>
        function (this: ResourceLedger, demand) {
          return this.isFeasible(demand)
        },
    ),
  'does not give back what a lease held': () =>
    swap(ResourceLedger.prototype, 'release', () => nothing),
  'keeps the CPU of a task that waits': () =>
    swap(ResourceLedger.prototype, 'giveCpuBack', () => nothing),
  'takes the reply of an attempt that was given up': () =>
    swap(TaskRecord.prototype, 'isAt', () => () => true),
  'tells only the first who waits for an object': () => {
    const waitedFor = new WeakSet<ObjectEntry>()
    return swap(
      ObjectEntry.prototype,
      'whenComplete',
      (real) =>
        function (this: ObjectEntry, waiter) {
          if (this.pending && waitedFor.has(this)) return
          waitedFor.add(this)
          real.call(this, waiter)
        },
    )
  },
  'frees an object while it is borrowed': () => swap(References.prototype, 'lend', () => nothing),
  'frees an argument while its task needs it': () =>
    swap(References.prototype, 'use', () => nothing),
  'never hears that a borrower has released': () =>
    swap(Borrowers.prototype, 'release', () => nothing),
  'lets go of the refs of a result before they arrived': () =>
    swap(
      Handoffs.prototype,
      'offer',
      (real) =>
        function (this: Handoffs, peer, handles) {
          const offered = real.call(this, peer, handles)
          if (offered !== undefined) this.done(peer, offered.id)
          return offered
        },
    ),
  'charges no attempt for a crash': () =>
    swap(
      Submitter.prototype,
      'crashed',
      () =>
        function (this: Submitter, record) {
          this.retry(record)
        },
    ),
  'forgets what was in flight at a lost worker': () =>
    swap(
      Peer.prototype,
      'takeInFlight',
      (real) =>
        function (this: Peer) {
          real.call(this)
          return []
        },
    ),
  'loses what a worker hands back': () => swap(Submitter.prototype, 'handedBack', () => nothing),
  'does not hear of a broken lease': () => swap(Leases.prototype, 'broken', () => nothing),
  'puts calls back in the wrong order': () =>
    swap(
      Fifo.prototype,
      'unshift',
      (real) =>
        function (this: Fifo<unknown>, items: readonly unknown[]) {
          real.call(this, [...items].reverse())
        },
    ),
  'gives a waiter more than it asked for': () =>
    swap(Getter.prototype, 'wait', () => (refs) => Promise.resolve([[...refs], []])),
  'never returns the token of a limiter': () => swap(Limiters.prototype, 'release', () => nothing),
  'gives the token of a cancelled call back while it runs': () =>
    swap(
      TaskEnds.prototype,
      'end',
      (real) =>
        function (this: TaskEnds, record, failed) {
          real.call(this, record, failed)
          record.scope.parts.coreWorker.limiters.release(record)
        },
    ),
  'takes one token for two': () =>
    swap(
      Limiters.prototype,
      'granted',
      (real) =>
        function (this: Limiters, { name, count }) {
          real.call(this, { name, count: count * 2 })
        },
    ),
  'makes again what may not run twice': () =>
    swap(
      Lineage.prototype,
      'keep',
      (real) =>
        function (this: Lineage, record, results) {
          const kind = { ...record.kind, maxRetries: 1 }
          const lenient = { kind: { value: kind }, retriesLeft: { value: 1 } }
          real.call(this, Object.create(record, lenient) as TaskRecord, results)
        },
    ),
  'recycles pages that are pinned': () =>
    swap(
      ObjectStore.prototype,
      'pin',
      (real) =>
        async function (this: ObjectStore, clientId, objectId) {
          const place = await real.call(this, clientId, objectId)
          this.unpin(clientId, objectId)
          return place
        },
    ),
  'keeps the objects of a process that has exited': () =>
    swap(ObjectStore.prototype, 'clientExited', () => nothing),
  'acknowledges an object before it is sealed': () =>
    swap(
      StoreClient.prototype,
      'put',
      (real) =>
        function (this: StoreClient, objectId, encoded, owner) {
          real.call(this, objectId, encoded, owner).catch(nothing)
          return Promise.resolve({ objectId, sizeBytes: encoded.sizeBytes })
        },
    ),
  'restores a spilled object without its bytes': () =>
    swap(FusedSpill.prototype, 'read', () => () => Promise.resolve()),
  'loses who waits when the disk is full': () =>
    swap(
      ObjectStore.prototype,
      'create',
      (real) =>
        function (this: ObjectStore, ...create) {
          return real.call(this, ...create).catch(() => new Promise(nothing))
        },
    ),
  'keeps the name of a dead actor': () =>
    swap(MemoryStorage.prototype, 'delete', () => () => Promise.resolve({ won: true } as const)),
  'drops the condition of a write': () =>
    swap(
      MemoryStorage.prototype,
      'putIf',
      () =>
        async function (this: MemoryStorage, key: RowKey, value: RowValue): Promise<WriteOutcome> {
          await this.append([{ key, value }])
          return { won: true, row: { key, version: 1, value } }
        },
    ),
  'reuses the id of a lease': (world) => {
    for (const { raylet } of world.nodes) {
      let next = raylet.state.nextLeaseId
      Object.defineProperty(raylet.state, 'nextLeaseId', {
        get: () => next,
        set: (value: number) => {
          next = ((value - 1) % 3) + 1
        },
      })
    }
    return nothing
  },
}
