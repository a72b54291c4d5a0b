// Every error a user can meet, each under the kind that says what to do about it. The kinds and
// the rules they keep (E1-E3) are in virga-error.ts; errors of frames and decoding are in
// protocol-errors.ts. All of them are exported here, so one import serves.
// Source: Ray python/ray/exceptions.py for the names and their meaning.
import {
  CapacityError,
  LostError,
  StoppedError,
  UnknownOutcomeError,
  UsageError,
  define,
} from './virga-error.ts'

export {
  CapacityError,
  LostError,
  RemoteError,
  StoppedError,
  TaskError,
  UnknownOutcomeError,
  UsageError,
  VirgaError,
  errorCodes,
  findErrorClass,
} from './virga-error.ts'
export type { ErrorData, TaskInfo, VirgaErrorClass, VirgaErrorOptions } from './virga-error.ts'
export {
  DecodeError,
  DecodeLimitError,
  DecompressLimitError,
  FrameCorruptError,
  FrameTooLargeError,
  PeerRefusedError,
  ProtocolError,
  UnsupportedMessageError,
} from './protocol-errors.ts'

// ---- UsageError: Fix the call. ----

/** A value cannot be encoded. `data.path` is where it lies: `args[1].opts.cb`. */
export class SerializationError extends UsageError {
  declare readonly code: 'ERR_SERIALIZATION'
  static {
    define(this, 'SerializationError', 'ERR_SERIALIZATION')
  }
}

/** The worker has another version of the module, or none: `data` has both sides' name and hash. */
export class FunctionNotFoundError extends UsageError {
  declare readonly code: 'ERR_FUNCTION_NOT_FOUND'
  static {
    define(this, 'FunctionNotFoundError', 'ERR_FUNCTION_NOT_FOUND')
  }
}

/** The actor has no such public method. `data.method`, `data.methods`. */
export class MethodNotFoundError extends UsageError {
  declare readonly code: 'ERR_METHOD_NOT_FOUND'
  static {
    define(this, 'MethodNotFoundError', 'ERR_METHOD_NOT_FOUND')
  }
}

/**
 * The name is taken in that namespace. `data.name`, `data.namespace`, `data.owner`,
 * `data.since`, `data.nodeId`.
 */
export class ActorAlreadyExistsError extends UsageError {
  declare readonly code: 'ERR_ACTOR_ALREADY_EXISTS'
  static {
    define(this, 'ActorAlreadyExistsError', 'ERR_ACTOR_ALREADY_EXISTS')
  }
}

/** No living actor has that name in that namespace. */
export class ActorNotFoundError extends UsageError {
  declare readonly code: 'ERR_ACTOR_NOT_FOUND'
  static {
    define(this, 'ActorNotFoundError', 'ERR_ACTOR_NOT_FOUND')
  }
}

/** A ref of another cluster or job. */
export class ForeignRefError extends UsageError {
  declare readonly code: 'ERR_FOREIGN_REF'
  static {
    define(this, 'ForeignRefError', 'ERR_FOREIGN_REF')
  }
}

/** A get through a handle on which `free()` was called. */
export class ObjectFreedError extends UsageError {
  declare readonly code: 'ERR_OBJECT_FREED'
  static {
    define(this, 'ObjectFreedError', 'ERR_OBJECT_FREED')
  }
}

/** No such object: its id was never made here, or nobody is known to refer to it any more. */
export class ObjectNotFoundError extends UsageError {
  declare readonly code: 'ERR_OBJECT_NOT_FOUND'
  static {
    define(this, 'ObjectNotFoundError', 'ERR_OBJECT_NOT_FOUND')
  }
}

/** One value is beyond a hard limit. `data.sizeBytes`, `data.maxBytes`. */
export class ObjectTooLargeError extends UsageError {
  declare readonly code: 'ERR_OBJECT_TOO_LARGE'
  static {
    define(this, 'ObjectTooLargeError', 'ERR_OBJECT_TOO_LARGE')
  }
}

/** Part of `runtimeEnv` is refused: a variable, or a folder that is not there. `data.name`. */
export class InvalidEnvError extends UsageError {
  declare readonly code: 'ERR_INVALID_ENV'
  static {
    define(this, 'InvalidEnvError', 'ERR_INVALID_ENV')
  }
}

/** A ring of tasks or actors that wait for each other. `data.chain` names them in order. */
export class DeadlockError extends UsageError {
  declare readonly code: 'ERR_DEADLOCK'
  static {
    define(this, 'DeadlockError', 'ERR_DEADLOCK')
  }
}

// ---- LostError: Gone, after the retries allowed. ----

/**
 * The worker died under the task. `data`: signal or exit code, node, pid, attempts, log tail,
 * `poison` when the task killed every worker it was given.
 */
export class WorkerCrashedError extends LostError {
  declare readonly code: 'ERR_WORKER_CRASHED'
  static {
    define(this, 'WorkerCrashedError', 'ERR_WORKER_CRASHED')
  }
}

/** The node died, with its raylet and all its workers. */
export class NodeDiedError extends LostError {
  declare readonly code: 'ERR_NODE_DIED'
  static {
    define(this, 'NodeDiedError', 'ERR_NODE_DIED')
  }
}

/**
 * The actor is dead for good: killed, out of restarts, or its constructor threw (then `cause`
 * is the TaskError). `data.mayHaveRun`: true, false or 'unknown'.
 */
export class ActorDiedError extends LostError {
  declare readonly code: 'ERR_ACTOR_DIED'
  static {
    define(this, 'ActorDiedError', 'ERR_ACTOR_DIED')
  }
}

/** Every copy is lost and it could not be made again: `message` says why. */
export class ObjectLostError extends LostError {
  declare readonly code: 'ERR_OBJECT_LOST'
  static {
    define(this, 'ObjectLostError', 'ERR_OBJECT_LOST')
  }
}

/** The bytes read differ from the checksum written. `data.expected`, `data.got`. */
export class ObjectCorruptedError extends LostError {
  declare readonly code: 'ERR_OBJECT_CORRUPTED'
  static {
    define(this, 'ObjectCorruptedError', 'ERR_OBJECT_CORRUPTED')
  }
}

/** The process that owned the object died, and what was needed to adopt it is missing. */
export class OwnerDiedError extends LostError {
  declare readonly code: 'ERR_OWNER_DIED'
  static {
    define(this, 'OwnerDiedError', 'ERR_OWNER_DIED')
  }
}

// ---- CapacityError: Wait, scale or shed. ----

/**
 * No node and no allowed instance type can ever hold the demand. `data.requested`,
 * `data.nearest`.
 */
export class InfeasibleError extends CapacityError {
  declare readonly code: 'ERR_INFEASIBLE'
  static {
    define(this, 'InfeasibleError', 'ERR_INFEASIBLE')
  }
}

/** Hard affinity to a node that is dead or too small. */
export class TaskUnschedulableError extends CapacityError {
  declare readonly code: 'ERR_TASK_UNSCHEDULABLE'
  static {
    define(this, 'TaskUnschedulableError', 'ERR_TASK_UNSCHEDULABLE')
  }
}

/** Hard affinity of an actor to a node that is dead or too small. */
export class ActorUnschedulableError extends CapacityError {
  declare readonly code: 'ERR_ACTOR_UNSCHEDULABLE'
  static {
    define(this, 'ActorUnschedulableError', 'ERR_ACTOR_UNSCHEDULABLE')
  }
}

/** Nothing was freed or spilled while a put waited. `data.sizeBytes`, `data.capacityBytes`. */
export class ObjectStoreFullError extends CapacityError {
  declare readonly code: 'ERR_OBJECT_STORE_FULL'
  static {
    define(this, 'ObjectStoreFullError', 'ERR_OBJECT_STORE_FULL')
  }
}

/** The worker exceeded its memory, or the node ran out. `data.limitBytes`, `data.peakBytes`. */
export class OutOfMemoryError extends CapacityError {
  declare readonly code: 'ERR_OUT_OF_MEMORY'
  static {
    define(this, 'OutOfMemoryError', 'ERR_OUT_OF_MEMORY')
  }
}

/** More pending calls than `maxPendingCalls`. Thrown at the call. */
export class PendingCallsLimitError extends CapacityError {
  declare readonly code: 'ERR_PENDING_CALLS_LIMIT'
  static {
    define(this, 'PendingCallsLimitError', 'ERR_PENDING_CALLS_LIMIT')
  }
}

/** A `Queue` had no room in time. */
export class QueueFullError extends CapacityError {
  declare readonly code: 'ERR_QUEUE_FULL'
  static {
    define(this, 'QueueFullError', 'ERR_QUEUE_FULL')
  }
}

/** A `Queue` had no item in time. */
export class QueueEmptyError extends CapacityError {
  declare readonly code: 'ERR_QUEUE_EMPTY'
  static {
    define(this, 'QueueEmptyError', 'ERR_QUEUE_EMPTY')
  }
}

/** The tables of the GCS do not answer, or throttle. Nothing was written. */
export class GcsUnavailableError extends CapacityError {
  declare readonly code: 'ERR_GCS_UNAVAILABLE'
  static {
    define(this, 'GcsUnavailableError', 'ERR_GCS_UNAVAILABLE')
  }
}

// ---- UnknownOutcomeError: Maybe applied. ----

/** A write to the GCS may have been applied: read the row before writing again. */
export class GcsWriteUnknownError extends UnknownOutcomeError {
  declare readonly code: 'ERR_GCS_WRITE_UNKNOWN'
  static {
    define(this, 'GcsWriteUnknownError', 'ERR_GCS_WRITE_UNKNOWN')
  }
}

/** The actor cannot be reached now and may come back; the call may have run. */
export class ActorUnavailableError extends UnknownOutcomeError {
  declare readonly code: 'ERR_ACTOR_UNAVAILABLE'
  static {
    define(this, 'ActorUnavailableError', 'ERR_ACTOR_UNAVAILABLE')
  }
}

// ---- StoppedError: Stop. ----

/** The task was cancelled, forced or not. */
export class TaskCancelledError extends StoppedError {
  declare readonly code: 'ERR_TASK_CANCELLED'
  static {
    define(this, 'TaskCancelledError', 'ERR_TASK_CANCELLED')
  }
}

/** `get` waited for `timeoutMs`. The task goes on. */
export class GetTimeoutError extends StoppedError {
  declare readonly code: 'ERR_GET_TIMEOUT'
  static {
    define(this, 'GetTimeoutError', 'ERR_GET_TIMEOUT')
  }
}

/** An attempt ran longer than the `timeoutMs` of its task. */
export class TaskTimeoutError extends StoppedError {
  declare readonly code: 'ERR_TASK_TIMEOUT'
  static {
    define(this, 'TaskTimeoutError', 'ERR_TASK_TIMEOUT')
  }
}

/** Work in a placement group that was removed. */
export class PlacementGroupRemovedError extends StoppedError {
  declare readonly code: 'ERR_PLACEMENT_GROUP_REMOVED'
  static {
    define(this, 'PlacementGroupRemovedError', 'ERR_PLACEMENT_GROUP_REMOVED')
  }
}
