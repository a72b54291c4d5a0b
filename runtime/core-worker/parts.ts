// How those parts of a core-worker are made that lean on several others: each is given what it may
// do with them, and no more. They call each other only once all are there.
import { fromWire } from '../common/error-wire.ts'
import { TASK_ID_BYTES, driverTaskId, toHex, type TaskId } from '../common/ids.ts'
import { LINEAGE_BYTES_MAX, LINEAGE_BYTES_MAX_ON_ONE_NODE } from '../common/limits.ts'
import { nodeIdIn } from '../protocol/node-identity.ts'
import { ArgumentEncoder } from './arguments.ts'
import { withCallSite } from './call-site.ts'
import { ChangingWait } from './changing-wait.ts'
import type { CoreWorker } from './core-worker.ts'
import { Getter } from './get.ts'
import { Lineage } from './lineage.ts'
import { Leases } from './leases.ts'
import { LineageStream } from './lineage-stream.ts'
import { LocalCopies } from './local-copies.ts'
import type { ObjectEntry } from './object-entry.ts'
import { objectSpec } from './object-spec.ts'
import { entryIn } from './object-ref.ts'
import { References, actorIdOfObject } from './references.ts'
import { ReplyReceiver } from './reply-receiver.ts'
import { Scope } from './scope.ts'
import { Submitter } from './submit.ts'
import { TaskEnds } from './task-ends.ts'
import { UntilHeard } from './until-heard.ts'

export function makeEnds(worker: CoreWorker): TaskEnds {
  const { deps, references, tally, storeFree, holders } = worker
  return new TaskEnds({
    clock: deps.clock,
    references,
    tally,
    storeFree,
    limitDone: (record) => {
      worker.limiters.release(record)
    },
    argumentsRead:
      holders &&
      ((record, { nodeId }) => {
        if (nodeId !== undefined) holders.readAt(record, nodeId)
      }),
    onPending: (some) => {
      deps.raylet.hold(some ? 1 : -1)
    },
  })
}

export function makeLineageStream(worker: CoreWorker): LineageStream {
  const { clock, raylet } = worker.deps
  const { nodeId, epoch, job } = worker.options.welcome
  const deps = {
    clock,
    raylet,
    specOf: (entry: ObjectEntry) => objectSpec(worker, entry),
    idOf: (entry: ObjectEntry) => worker.references.idOf(entry),
    keepUntil: (settled: Promise<void>) => {
      worker.references.keepUntil(settled)
    },
  }
  const owner = toHex(worker.options.workerId)
  const durable = job.durable === true
  return new LineageStream(deps, { nodeId: toHex(nodeId), epoch, owner, durable })
}

export function makeReferences(worker: CoreWorker): References {
  const { deps, options, jobId, lineageStream: lineage, storeFree } = worker
  const references = new References({
    ...{ finalization: deps.finalization, clock: deps.clock, jobId, lineage },
    storeFree: (objectId) => {
      worker.lineage.released(objectId)
      storeFree(objectId)
    },
    ownAddress: options.address,
    dial: (address) => worker.peers.dial(address),
    cut: {
      closed: (peer, gone) => {
        worker.cutBorrowers.closed(peer, gone)
      },
      mayBeCutOff: (peer) => worker.untilHeard.isElsewhere(peer.address),
      notHeard: (peer, objectId) => {
        worker.cutBorrowers.notHeard(peer, objectId)
      },
      settled: (objectId) => {
        worker.cutBorrowers.settled(objectId)
      },
      tell: (peer) => {
        worker.cutBorrowers.tell(peer)
      },
    },
    actorGone: (objectId) => {
      worker.registry.gone(actorIdOfObject(objectId))
    },
    actorForgotten: (objectId) => {
      worker.registry.forgotten(actorIdOfObject(objectId))
    },
  })
  deps.raylet.isKnown = (objectId) => references.find(objectId) !== undefined
  return references
}

export function makeLeases({ deps, peers, untilHeard }: CoreWorker): Leases {
  const { clock, raylet } = deps
  return new Leases({
    clock,
    dial: (address) => peers.dial(address),
    mayLive: (peer) => untilHeard.mayLive(peer),
    notifyRaylet: (type, message) => {
      raylet.notify(type, message)
    },
  })
}

export function makeUntilHeard({ deps, options, peers }: CoreWorker): UntilHeard {
  return new UntilHeard({
    ...{ clock: deps.clock, ownAddress: options.address },
    dial: (address) => peers.dial(address),
    hasEnded: (address) => peers.hasEnded(address),
  })
}

export function makeLineage({ references, options }: CoreWorker): Lineage {
  const nodesMayBeLost = nodeIdIn(options.address) !== undefined
  const bytesMax = nodesMayBeLost ? LINEAGE_BYTES_MAX : LINEAGE_BYTES_MAX_ON_ONE_NODE
  return new Lineage({ references, bytesMax, nodesMayBeLost })
}

export function makeReceiver(worker: CoreWorker): ReplyReceiver {
  const { codec, references, handoffs, ends, storeFree, lineage, madeAt } = worker
  return new ReplyReceiver({
    codec,
    references,
    handoffs,
    ends,
    lineage,
    madeAt,
    storeFree,
    argumentLost: (record, failure) => {
      const entry = record.holds?.find(({ id }) => id === failure.objectId)
      const error = fromWire(failure.error)
      if (entry === undefined || !worker.recovery.lost(entry, error, record.holds)) return false
      worker.submitter.argumentLost(record)
      return true
    },
    retry: (record) => {
      worker.submitter.retry(record)
    },
  })
}

export function makeSubmitter(worker: CoreWorker): Submitter {
  const { codec, ends, leases, references, holders } = worker
  const { clock } = worker.deps
  const encoder = new ArgumentEncoder({
    ...{ codec, ownNodeId: worker.ownNodeId },
    entryOf: (ref) => entryIn(ref, references),
    storeLarge: (encoded) => worker.values.storeLarge(encoded),
  })
  return new Submitter({
    clock,
    references,
    leases,
    ends,
    encoder,
    resolve: (entry) => {
      worker.values.resolve(entry)
    },
    actorRetry: (record) => {
      worker.actors.again(record)
    },
    actorReady: (record) => {
      worker.actors.ready(record)
    },
    limit: (record, start) => {
      worker.limiters.acquire(record, start)
    },
    awaited: worker.awaited,
    holders,
    submitted: worker.durable && ((record) => worker.durable?.submitted(record)),
  })
}

export function makeGetter(worker: CoreWorker): Getter {
  const { codec, references, store, holders } = worker
  const { deps } = worker
  const { mode, pid } = worker.options
  const label = mode === 'driver' ? 'driver' : `worker ${String(pid)}`
  return new Getter({
    clock: deps.clock,
    codec,
    store,
    local: new LocalCopies({
      clock: deps.clock,
      here: holders && nodeIdIn(worker.options.address),
      fetch: (stored) => {
        const { done, leave } = store.fetch(stored)
        return { done: done.then(() => holders?.gotAt(stored)), leave }
      },
      lost: (entry, error) => worker.recovery.lost(entry, error, [entry]),
    }),
    entryOf: (ref) => entryIn(ref, references),
    use: (entries, by) => {
      references.use(entries, by)
    },
    resolve: (entry, reads) => {
      worker.values.resolve(entry, reads)
    },
    hasRead:
      holders &&
      ((stored) => {
        holders.gotAt(stored)
      }),
    commits: worker.durable && (() => worker.durable?.commits()),
    waiting: (now) => new ChangingWait(deps.clock, worker.blocking.blocker(), now),
    lost: (entry, error, beside) => worker.recovery.lost(entry, error, beside),
    present: (error, site) => withCallSite(error, site, label, deps.stackView()),
  })
}

export function makeRootScope(worker: CoreWorker): Scope {
  const { deps, jobId, options } = worker
  return new Scope({
    jobId,
    hash: deps.hash,
    // What a worker does outside of any task must not make the driver's ids.
    taskId:
      options.mode === 'driver'
        ? driverTaskId(jobId)
        : ((options.workerId.slice(0, TASK_ID_BYTES - jobId.length) + jobId) as TaskId),
    name: options.mode,
    attempt: 0,
    resources: {},
    gpuIds: [],
    mode: 'driver',
    coreWorker: worker,
  })
}
