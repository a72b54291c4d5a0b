// The connection to this process's home raylet: requests, notices, and holding the process open
// exactly while something is awaited.
import type { Clock } from '../common/clock.ts'
import { NodeDiedError, StoppedError } from '../common/errors.ts'
import type { ObjectId } from '../common/ids.ts'
import { Channel } from '../protocol/channel.ts'
import type { Connection } from '../protocol/connection.ts'
import type {
  ClientCalls,
  ClientNotices,
  RayletCalls,
  RayletNotices,
} from '../protocol/messages.ts'
import type { ValueCodec } from '../protocol/value-codec.ts'

export type NoticeHandlers = {
  readonly [K in keyof ClientNotices]: (message: ClientNotices[K]) => void
}

export class RayletLink {
  readonly #channel: Channel<RayletCalls, RayletNotices>
  #holds = 0
  #closed = false
  #left = false
  /** What the raylet has said of its end. */
  #reason: string | undefined
  onClosed: ((error: NodeDiedError | StoppedError) => void) | undefined
  /** Whether this process refers to an object. */
  isKnown: ((objectId: ObjectId) => boolean) | undefined

  constructor(connection: Connection, deps: { clock: Clock; codec: ValueCodec }) {
    this.#channel = new Channel(connection, deps)
  }

  start(handlers: NoticeHandlers): void {
    this.#channel.start({
      notified: (type, message) => {
        const handle = (handlers as Record<string, ((message: object) => void) | undefined>)[type]
        handle?.(message)
      },
      requested: (type, message) => {
        if (type !== 'refersTo') return undefined
        const { objectIds } = message as ClientCalls['refersTo'][0]
        const { isKnown } = this
        return isKnown && { objectIds: objectIds.filter((id) => isKnown(id as ObjectId)) }
      },
      closed: () => {
        this.#closed = true
        this.onClosed?.(this.#whyClosed())
      },
    })
  }

  notify<K extends keyof RayletNotices>(type: K, message: RayletNotices[K]): void {
    if (!this.#closed) this.#channel.notify(type, message)
  }

  /** @param o  holds (true): whether the process stays open for the answer. */
  async request<K extends keyof RayletCalls>(
    type: K,
    message: RayletCalls[K][0],
    { holds = true }: { holds?: boolean } = {},
  ): Promise<RayletCalls[K][1]> {
    if (this.#closed) throw this.#whyClosed()
    const held = holds ? 1 : 0
    this.hold(held)
    try {
      return await this.#channel.request(type, message)
    } catch (error) {
      throw this.#closed ? this.#whyClosed() : error
    } finally {
      this.hold(-held)
    }
  }

  /** Counts what is awaited: above zero the connection keeps the process alive. */
  hold(by: number): void {
    const before = this.#holds
    this.#holds += by
    if (before === 0 && this.#holds > 0) this.#channel.ref()
    else if (before > 0 && this.#holds === 0) this.#channel.unref()
  }

  /** The raylet has said why it ends: who awaits something then hears that. */
  willEnd(reason: string): void {
    this.#reason = reason
  }

  /** Who awaits something gets a StoppedError. */
  close(): void {
    this.#left = true
    this.#channel.close()
  }

  flush(): void {
    this.#channel.flush()
  }

  #whyClosed(): NodeDiedError | StoppedError {
    return this.#left ? stopped() : nodeDied(this.#reason)
  }
}

function stopped(): StoppedError {
  return new StoppedError(
    'shutdown() was called before this had come; await what you need before you call it',
  )
}

function nodeDied(reason: string | undefined): NodeDiedError {
  const what =
    'the raylet of the node that this process belongs to has ended, and with it all that the ' +
    'process had there'
  if (reason !== undefined) {
    return new NodeDiedError(`${what}: ${reason}. Start a cluster, and run this program again`)
  }
  return new NodeDiedError(
    `${what}. If the cluster was stopped (virga stop), start it and run this program again. If ` +
      'not, the log of that raylet in its session folder says why: run this program again, at ' +
      'another node where the cluster has one',
  )
}
