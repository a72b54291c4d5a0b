// Storage that another raylet hosts, reached over a channel. Every call has a number of its own by
// which the host knows it again, so it may be sent until an answer comes: over the same connection,
// or a new one. Only a call that is given up leaves its outcome unknown.
import { NodeDiedError } from '../common/errors.ts'
import { isRefusedForGood } from '../protocol/peer-hello.ts'
import { Attempts, type ClientDeps, type Failure } from './attempts.ts'
import { RetryBudget } from './retry-budget.ts'
import { checkKey, copyValue } from './row-value.ts'
import { CALLS_IN_FLIGHT_MAX } from './storage-host.ts'
import {
  isWrite,
  type StorageCall,
  type StorageMethod,
  type StorageReply,
  type StorageRequest,
} from './storage-messages.ts'
import {
  checkTransaction,
  type AppendedRow,
  type DeleteOutcome,
  type Present,
  type QueryOptions,
  type ReadOptions,
  type Row,
  type RowKey,
  type RowValue,
  type Storage,
  type TableName,
  type TransactItem,
  type WriteOutcome,
} from './storage.ts'

const CLIENT_ID_BYTES = 12
/** An answer that takes longer is asked for again. */
const ANSWER_MS_MAX = 3_000

/** The part of a Channel<StorageCalls> that is needed here. */
export interface StorageLink {
  readonly closed: boolean
  request(type: 'storage', message: StorageRequest): Promise<StorageReply>
}

export interface RemoteStorageDeps extends ClientDeps {
  /**
   * A new connection to the host; called again when the last one closed.
   * @throws NodeDiedError when the host says that this node is no member: that is final. So is
   *   PeerRefusedError for what this node is, where the host has not taken it before: at the
   *   address of one that has ended, later, anybody may listen.
   */
  readonly connect: () => Promise<StorageLink>
}

export interface RemoteStorageOptions {
  /** How long a call is repeated. Default: that of Attempts. */
  readonly deadlineMs?: number
}

/** What an attempt met, before it is told to Attempts. */
class LinkError extends Error {
  readonly kind: Failure['kind']
  constructor(kind: Failure['kind'], message: string, cause: unknown) {
    super(message, { cause })
    this.kind = kind
  }
}

export class RemoteStorage implements Storage {
  readonly #deps: RemoteStorageDeps
  readonly #attempts: Attempts
  readonly #client: string
  readonly #running = new Set<number>()
  readonly #waiting: (() => void)[] = []
  #link: Promise<StorageLink> | undefined
  #wasConnected = false
  #next = 0

  constructor(deps: RemoteStorageDeps, options: RemoteStorageOptions = {}) {
    this.#deps = deps
    const budget = new RetryBudget(deps.clock.monotonicMs())
    this.#attempts = new Attempts({ ...deps, budget }, explain, options.deadlineMs)
    this.#client = Buffer.from(deps.random.bytes(CLIENT_ID_BYTES)).toString('base64url')
  }

  async get(key: RowKey, options: ReadOptions = {}): Promise<Row | undefined> {
    checkKey(key)
    return await this.#call('get', key, options)
  }

  async putIf(key: RowKey, value: RowValue, expected: 'ABSENT' | number): Promise<WriteOutcome> {
    checkKey(key)
    return await this.#call('putIf', key, copyValue(value), expected)
  }

  async update(key: RowKey, fields: RowValue, expected: Present): Promise<WriteOutcome> {
    checkKey(key)
    return await this.#call('update', key, copyValue(fields), expected)
  }

  async delete(key: RowKey, expected: Present): Promise<DeleteOutcome> {
    checkKey(key)
    return await this.#call('delete', key, expected)
  }

  async query(table: TableName, pk: string, options: QueryOptions = {}): Promise<readonly Row[]> {
    return await this.#call('query', table, pk, options)
  }

  async append(rows: readonly AppendedRow[]): Promise<void> {
    for (const { key } of rows) checkKey(key)
    const copied = rows.map((row) => ({ ...row, value: copyValue(row.value) }))
    await this.#call('append', copied)
  }

  async transact(items: readonly TransactItem[]): Promise<boolean> {
    checkTransaction(items)
    for (const { key } of items) checkKey(key)
    return await this.#call('transact', items.map(copied))
  }

  async #call<M extends StorageMethod>(
    kind: M,
    ...args: Parameters<Storage[M]>
  ): Promise<StorageReply<M>> {
    const call = { kind, args } as StorageCall
    while (this.#room <= 0) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    const sequence = this.#next++
    this.#running.add(sequence)
    try {
      const reply = await this.#attempts.run({
        name: `${kind} at the host of the GCS`,
        writes: isWrite(kind),
        attempt: () => this.#attempt(sequence, call),
      })
      return reply as StorageReply<M>
    } finally {
      this.#running.delete(sequence)
      for (const start of this.#waiting.splice(0, Math.max(0, this.#room))) start()
    }
  }

  /** For how many calls. The host remembers what was begun since the oldest that still runs. */
  get #room(): number {
    return CALLS_IN_FLIGHT_MAX - (this.#next - this.#endedBelow)
  }

  get #endedBelow(): number {
    const [oldest = this.#next] = this.#running // numbers are added in their order
    return oldest
  }

  async #attempt(sequence: number, call: StorageCall): Promise<StorageReply> {
    const link = await this.#connected()
    const request = { client: this.#client, sequence, endedBelow: this.#endedBelow, call }
    let timer: { cancel(): void } | undefined
    const late = new Promise<never>((_, reject) => {
      timer = this.#deps.clock.after(ANSWER_MS_MAX, () => {
        reject(new LinkError('MAYBE_DONE', 'the host of the GCS does not answer', undefined))
      })
    })
    try {
      return await Promise.race([link.request('storage', request), late])
    } catch (error) {
      if (error instanceof LinkError || !link.closed) throw error
      throw new LinkError('MAYBE_DONE', 'the connection to the host of the GCS closed', error)
    } finally {
      timer?.cancel()
    }
  }

  /** One for all who wait. One that fails is forgotten: the next attempt is to dial anew. */
  #dial(): Promise<StorageLink> {
    const connecting = this.#deps.connect().then((made) => {
      this.#wasConnected = true
      return made
    })
    const link = connecting.catch((error: unknown) => {
      if (this.#link === link) this.#link = undefined
      const isRefused = !this.#wasConnected && isRefusedForGood(error)
      if (error instanceof NodeDiedError || isRefused) throw error
      const message = `the host of the GCS cannot be reached: ${String(error)}`
      throw new LinkError('NOT_DONE', message, error)
    })
    this.#link = link
    return link
  }

  /** Only the first who finds a link closed replaces it. */
  #redial(closed: Promise<StorageLink>): Promise<StorageLink> {
    return this.#link === undefined || this.#link === closed ? this.#dial() : this.#link
  }

  async #connected(): Promise<StorageLink> {
    const current = this.#link ?? this.#dial()
    const link = await current
    return link.closed ? await this.#redial(current) : link
  }
}

/** What the host refused is final; what the link did to a call is not. */
function explain(thrown: unknown): Failure {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  return { kind: error instanceof LinkError ? error.kind : 'FINAL', error }
}

function copied(item: TransactItem): TransactItem {
  if (item.kind === 'putIf') return { ...item, value: copyValue(item.value) }
  return item.kind === 'update' ? { ...item, fields: copyValue(item.fields) } : item
}
