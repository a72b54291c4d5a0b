// Bugs planted into what only some programs of drivers use: actors, placement groups, and refs
// whose owner is dead. Each breaks one promise, and seeds with that part must catch it.
import { ActorClient } from '../../../runtime/core-worker/actor-client.ts'
import { DurableJob } from '../../../runtime/core-worker/durable-job.ts'
import { PUSHED } from '../../../runtime/core-worker/task-record.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { Row, RowKey, TransactItem } from '../../../runtime/gcs/storage.ts'
import { Brain } from '../../../runtime/raylet/brain.ts'
import { GroupRows } from '../../../runtime/raylet/groups/group-rows.ts'
import type { GroupCall } from '../../../runtime/raylet/groups/group-messages.ts'
import type { TokensAsked, TokensGiven } from '../../../runtime/raylet/limiters/limiter-messages.ts'
import { Raylet } from '../../../runtime/raylet/raylet.ts'
import type { RayletState } from '../../../runtime/raylet/state.ts'
import { swap } from '../planted-bugs.ts'
import { here } from '../workload.ts'
import type { PartName } from './plan.ts'

const IMPATIENCE_MS = 200
/** Rows of batches, of which one is left undone. */
const UNDONE_EVERY = 4

type Bugs = Readonly<Record<string, () => () => void>>

export const PLANTED_BUGS_OF_PARTS: Readonly<Record<PartName, Bugs>> = {
  actors: {
    'takes a name that another actor has': () =>
      swap(
        MemoryStorage.prototype,
        'transact',
        (real) =>
          async function (this: MemoryStorage, items) {
            const changed = items.map(async (item): Promise<TransactItem> => {
              if (item.kind !== 'putIf' || !item.key.pk.startsWith('NAME#')) return item
              return { ...item, expected: (await versionOf(this, item.key)) ?? 'ABSENT' }
            })
            return real.call(this, await Promise.all(changed))
          },
      ),
    'starts an actor again that another node has started again': () => {
      /** By storage and key, the rows of actors as they were before they were started again. */
      const before = new WeakMap<MemoryStorage, Map<string, Row>>()
      const undoReads = swap(
        MemoryStorage.prototype,
        'get',
        (real) =>
          async function (this: MemoryStorage, key: RowKey) {
            return before.get(this)?.get(key.sk) ?? (await real.call(this, key))
          },
      )
      const undoWrites = swap(
        MemoryStorage.prototype,
        'update',
        (real) =>
          async function (this: MemoryStorage, key: RowKey, fields, expected) {
            if (fields['state'] !== 'RESTARTING') return real.call(this, key, fields, expected)
            const row = await rowOf(this, key)
            if (row === undefined) return real.call(this, key, fields, expected)
            const rows = before.get(this) ?? new Map<string, Row>()
            before.set(this, rows.set(key.sk, row))
            return real.call(this, key, fields, row.version)
          },
      )
      return () => {
        undoWrites()
        undoReads()
      }
    },
    'sends a call again over a connection that holds': () =>
      swap(
        ActorClient.prototype,
        'call',
        (real) =>
          function (this: ActorClient, record) {
            real.call(this, record)
            here().process.later(IMPATIENCE_MS, 'sends it again', () => {
              if (record.phase !== PUSHED || record.retriesLeft === 0) return
              record.attempt += 1
              this.again(record)
            })
          },
      ),
  },
  groups: {
    'commits bundles before it has written where they lie': () => {
      const telling: Brain[] = []
      const undoTell = swap(
        Brain.prototype,
        'tell',
        (real) =>
          function (this: Brain, stimulus) {
            telling.push(this)
            real.call(this, stimulus)
            telling.pop()
          },
      )
      const undoRows = swap(
        GroupRows.prototype,
        'perform',
        (real) =>
          function (this: GroupRows, effect) {
            if (effect.kind === 'writeGroup') {
              const { groupId, decision } = effect
              telling
                .at(-1)
                ?.tell({ kind: 'groupWritten', groupId, attempt: decision.attempt, won: true })
            }
            real.call(this, effect)
          },
      )
      return () => {
        undoRows()
        undoTell()
      }
    },
    'says that bundles are prepared for which it has no room': () =>
      answering('prepareBundles', { prepared: true }),
    'keeps the bundles of a group that was removed': () => answering('returnBundles', {}),
  },
  orphans: {
    'adopts an owner that another one has adopted': () => {
      const undoWrites = overwriting('O#')
      const undoReads = swap(
        MemoryStorage.prototype,
        'get',
        (real) =>
          async function (this: MemoryStorage, key: RowKey) {
            return key.pk.startsWith('O#') ? undefined : real.call(this, key)
          },
      )
      return () => {
        undoReads()
        undoWrites()
      }
    },
  },
  durable: {
    'gives the ref of what was put before the bucket has it': () =>
      swap(DurableJob.prototype, 'keepStored', () => () => Promise.resolve()),
    'tells a result before it is written how it is made again': () =>
      swap(DurableJob.prototype, 'commits', () => () => undefined),
    'forgets what a batch of appends has left undone (UnprocessedItems)': () => {
      const counts = new WeakMap<MemoryStorage, number>()
      return swap(
        MemoryStorage.prototype,
        'append',
        (real) =>
          function (this: MemoryStorage, rows) {
            const begun = counts.get(this) ?? 0
            counts.set(this, begun + rows.length)
            return real.call(
              this,
              rows.filter((_, i) => (begun + i) % UNDONE_EVERY !== 0),
            )
          },
      )
    },
  },
  limiters: {
    'does not tell the keeper what it holds': () => misheard(holdingNothing),
    'does not tell the next keeper what the one before has given': () =>
      misheard((message) => (message.isFull ? holdingNothing(message) : message)),
    'gives a token to two': () =>
      swap(
        Brain.prototype,
        'ask',
        (real) =>
          async function (this: Brain, stimulus) {
            const isOfTokens = stimulus(0).kind === 'tokensAsked'
            const reply = await real.call(this, stimulus)
            if (!isOfTokens) return reply
            const { granted = [], ...rest } = reply as Partial<TokensGiven>
            return { ...rest, granted: granted.map((each) => ({ ...each, count: each.count + 1 })) }
          },
      ),
    'does not take back the tokens of a process that has died': () => {
      const states: RayletState[] = []
      const undoStart = swap(
        Raylet.prototype,
        'start',
        (real) =>
          function (this: Raylet) {
            states.push(this.state)
            return real.call(this)
          },
      )
      const undoTell = swap(
        Brain.prototype,
        'tell',
        (real) =>
          function (this: Brain, stimulus) {
            real.call(this, stimulus)
            if (stimulus.kind !== 'clientClosed') return
            for (const { ownerless } of states) ownerless.delete(stimulus.client)
          },
      )
      return () => {
        undoTell()
        undoStart()
      }
    },
  },
}

const holdingNothing = (message: TokensAsked): TokensAsked => ({
  ...message,
  limiters: message.limiters.map((told) => ({ ...told, held: 0 })),
})

async function rowOf(storage: MemoryStorage, key: RowKey): Promise<Row | undefined> {
  const rows = await storage.query(key.table, key.pk, { prefix: key.sk })
  return rows.find((row) => row.key.sk === key.sk)
}

const versionOf = async (storage: MemoryStorage, key: RowKey): Promise<number | undefined> =>
  (await rowOf(storage, key))?.version

/** Rows of these partitions are written whatever they are. */
const overwriting = (prefix: string): (() => void) =>
  swap(
    MemoryStorage.prototype,
    'putIf',
    (real) =>
      async function (this: MemoryStorage, key: RowKey, value, expected) {
        if (!key.pk.startsWith(prefix)) return real.call(this, key, value, expected)
        return real.call(this, key, value, (await versionOf(this, key)) ?? 'ABSENT')
      },
  )

/** What other nodes ask about groups is answered so, and not done. */
const answering = (type: GroupCall, answer: object): (() => void) =>
  swap(
    Brain.prototype,
    'ask',
    (real) =>
      function (this: Brain, stimulus) {
        const asked = stimulus(0)
        if (asked.kind === 'groupAsked' && asked.type === type) return Promise.resolve(answer)
        return real.call(this, stimulus)
      },
  )

/** What nodes tell the keeper of limiters arrives otherwise. */
const misheard = (change: (message: TokensAsked) => TokensAsked): (() => void) =>
  swap(
    Brain.prototype,
    'ask',
    (real) =>
      function (this: Brain, stimulus) {
        return real.call(this, (request) => {
          const asked = stimulus(request)
          if (asked.kind !== 'tokensAsked' || asked.type !== 'askTokens') return asked
          return { ...asked, message: change(asked.message as TokensAsked) }
        })
      },
  )
