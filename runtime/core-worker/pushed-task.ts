// One task as its owner pushed it: what it shares with the others of its push, and what becomes of
// it while it waits and runs here.
import type { TaskCancelledError, TaskTimeoutError } from '../common/errors.ts'
import type { TaskId } from '../common/ids.ts'
import type { ByteReader } from '../protocol/byte-reader.ts'
import type { TaskTemplate } from '../protocol/peer-messages.ts'
import type { ArrivingArguments } from './decode-arguments.ts'
import type { Peer } from './peers.ts'
import type { Scope, ScopeParts, ScopeSource } from './scope.ts'
import type { StreamProducer } from './stream-producer.ts'

/** What the tasks of one push have in common. */
export interface PushedRun {
  readonly peer: Peer
  readonly template: TaskTemplate
  readonly timing: RunTiming
  readonly parent: TaskId
  readonly attempt: number
  scopeParts(this: void, task: PushedTask): ScopeParts
}

/** How long tasks of a template take here. */
export interface RunTiming {
  averageMs: number | undefined
}

/** One task as it came; a class, because hundreds of thousands are made in a second. */
export class PushedTask implements ScopeSource {
  readonly #run: PushedRun
  readonly seq: number
  readonly index: number
  /** Where its arguments are, in the push that brought it. */
  #record: ByteReader | undefined
  /** The first of its arguments, where it is large and they came ahead of it. */
  ahead: ArrivingArguments | undefined = undefined
  scope: Scope | undefined = undefined
  cancelled: TaskCancelledError | TaskTimeoutError | undefined = undefined
  producer: StreamProducer | undefined = undefined
  /** When its code began to run, where that is timed; when it was started, of others that outlive
   *  their start. On the monotonic clock. */
  beganMs = Infinity
  /** True once it outlives the call that started it: messages may then be about it. */
  isTracked = false

  constructor(run: PushedRun, seq: number, index: number, record: ByteReader) {
    this.#run = run
    this.seq = seq
    this.index = index
    this.#record = record
  }

  get peer(): Peer {
    return this.#run.peer
  }

  get template(): TaskTemplate {
    return this.#run.template
  }

  get timing(): RunTiming {
    return this.#run.timing
  }

  get parent(): TaskId {
    return this.#run.parent
  }

  get attempt(): number {
    return this.#run.attempt
  }

  /** Its arguments, once: a ref made in the task keeps its scope, and with it this object, which
   *  must not keep the whole push. */
  takeRecord(): ByteReader {
    const record = this.#record
    if (record === undefined) throw new Error('the arguments of a task were read twice')
    this.#record = undefined
    this.ahead = undefined
    return record
  }

  scopeParts(): ScopeParts {
    return this.#run.scopeParts(this)
  }
}
