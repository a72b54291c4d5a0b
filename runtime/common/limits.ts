// Every cap in one place. Reaching one is a typed error or back-pressure, never growth.

const KIB = 1024
const MIB = 1024 * KIB

/** Largest value that rides in a push or its reply. Source: Ray max_direct_call_object_size. */
export const INLINE_BYTES_MAX = 100 * KIB
/** Largest frame between processes of one cluster; larger ones are refused before allocation. */
export const FRAME_BYTES_MAX = 256 * MIB
/** Sent and not yet taken by the kernel, per connection: above it nothing more is pushed, and no
 *  result is made, until the peer has read. */
export const SEND_BUFFER_BYTES_MAX = 4 * MIB
/** Arguments that are pushed at once, between two looks at the send buffer. */
export const PUSH_BYTES_MAX = MIB
/** Tasks pushed ahead to one leased worker, at most; the time budget usually binds first. */
export const PIPELINE_DEPTH_MAX = 2048
/** Templates that one process has of another's tasks: about a kilobyte each, on both sides. Kinds of
 *  tasks beyond it are told again when they come back. */
export const TEMPLATES_PER_PEER_MAX = 1024
/** How much measured work may wait at one worker, in milliseconds. */
export const PIPELINE_BUDGET_MS = 4
/** A leased worker that has not answered for this long gets nothing more; what waits there is asked
 *  back. Well above PIPELINE_BUDGET_MS, so that noise does not trigger it. */
export const STALL_MS = 25
/** How long an owner keeps an idle lease. Source: Ray worker_lease_timeout_milliseconds = 500. */
export const LEASE_IDLE_MS = 500
/**
 * Idle workers above the number of CPUs end after this. Source: Ray idle_worker_killing_time = 1 s.
 */
export const WORKER_IDLE_MS = 1000
/** The same where one that had ended was missed within that time, for as many as there are CPUs. */
export const WORKER_KEPT_MS = 30_000
/** And for the others. */
export const WORKER_KEPT_MOMENT_MS = 5_000
/**
 * A worker that has not registered by then is killed. Source: Ray worker_register_timeout = 60 s.
 */
export const WORKER_REGISTER_TIMEOUT_MS = 60_000
/** Worker processes of one node, at most; each needs ~46 MB. */
export const WORKERS_MAX = 1024
/**
 * A worker that was told to exit is killed after this. Source: Ray actor_graceful_shutdown = 30 s.
 */
export const WORKER_EXIT_GRACE_MS = 5_000
/**
 * How long running tasks may take to end when the raylet gets a SIGTERM. Below the 10 s after which
 * `docker stop` kills.
 */
export const DRAIN_GRACE_MS = 8_000
/** A raylet made for a driver that never said hello (it was killed meanwhile) leaves after this. */
export const OWNER_HELLO_MS = 10_000
/** The last stderr lines kept per worker, for WorkerCrashedError. */
export const STDERR_TAIL_LINES = 20
/** Output forwarded to drivers per worker and second; the rest is counted and marked. */
export const OUTPUT_BYTES_PER_SECOND_MAX = 4 * MIB
/** One line of worker output; longer ones are cut and marked. */
export const OUTPUT_LINE_BYTES_MAX = 64 * KIB
/** Memory monitor. Source: Ray memory_monitor_refresh_ms = 250, memory_usage_threshold = 0.95. */
export const MEMORY_CHECK_MS = 250
/** While nobody holds a lease: nothing of ours grows, and an idle node should sleep. */
export const MEMORY_CHECK_IDLE_MS = 1000
export const MEMORY_THRESHOLD = 0.95
/** Kills of a task by the memory monitor before it surfaces. Ray retries without end. */
export const OOM_RETRIES_MAX = 15
/** Dead actors that are remembered whole, so that late callers hear why, and ids after that. */
export const DEAD_ACTORS_MAX = 10_000
export const DEAD_ACTOR_IDS_MAX = 100_000
/** Names of limiters, and of functions per job, that are kept though nothing of theirs runs. */
export const LIMITERS_MAX = 10_000
export const FUNCTION_NAMES_MAX = 1000
export const TASK_EVENTS_MAX = 100_000
/** A deadlock is reported once a ring stood this long. */
export const DEADLOCK_SETTLE_MS = 200
/** Where there are several nodes, a wait is told to the detector once it has lasted so long. */
export const DEADLOCK_TELL_MS = 400
/** A node tells of so many waits at a time; what it leaves out is taken to end. */
export const WAITS_TOLD_MAX = 1000
/** Tasks that miss dependencies are told to the raylet once somebody waited for them so long. */
export const DEPENDENCY_TELL_MS = 100
/** So is a stream that has waited so long for its reader to take items. */
export const READER_TELL_MS = 1000
/** What a wait on many objects is on is told once it has lasted so long. */
export const WIDE_WAIT_TELL_MS = 400
/** Nothing was said on a connection between nodes for so long: the system asks for the other one. */
export const KEEP_ALIVE_MS = 10_000
/** What a machine has not acknowledged for so long closes its connections. */
export const UNACKNOWLEDGED_LIMIT_MS = 15_000
/** Of two nodes that were cut from each other the later one has noticed, and ended what it ran for
 *  the other; with 2 s for that, on a busy machine. */
export const CUT_NOTICED_MS = KEEP_ALIVE_MS + UNACKNOWLEDGED_LIMIT_MS + 2_000
/** How long word of what became of an actor, or of its maker, may take where it cannot be dialled:
 *  longer than a node that is gone takes to be declared dead (D155). */
export const ACTOR_WORD_MS_MAX = 25_000
/** Stored objects that one get reads, or one wait fetches, at a time: enough for all links of a
 *  node to be busy; the raylet admits pulls by their bytes (PM2). */
export const READS_AT_ONCE_MAX = 64
/** How long a process keeps an object pinned after it read it last. */
export const PIN_LINGER_MS = 500
/** Specs of tasks whose stored results are referenced, per process. Source: Ray max_lineage_bytes. */
export const LINEAGE_BYTES_MAX = 1024 * MIB
/** The same where there is one node: only what was spilled and damaged is made again there. */
export const LINEAGE_BYTES_MAX_ON_ONE_NODE = 16 * MIB
