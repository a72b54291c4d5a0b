// What a transaction asks of DynamoDB.
import type { TransactWriteItem, TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb'
import { expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { systemHash } from '../../../runtime/common/random-system.ts'
import { DynamoAccess } from '../../../runtime/gcs/access-dynamodb.ts'
import {
  actorDead,
  refuseActor,
  registerActor,
  type NewActor,
} from '../../../runtime/gcs/actors.ts'
import { MemoryBodyStore } from '../../../runtime/gcs/body-store-memory.ts'
import { UnitTotals } from '../../../runtime/gcs/meter.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { TransactItem } from '../../../runtime/gcs/storage.ts'
import { transactItems } from '../../../runtime/gcs/transact-dynamodb.ts'
import { clientDeps } from '../../support/dynamo-storage.ts'

const DAY_MS = 24 * 3_600_000
const anActor: NewActor = {
  ...{ actorId: 'a'.repeat(24), owner: 'dd', name: { namespace: '', name: 'n' }, detached: true },
  ...{ maxRestarts: 0, spec: new Uint8Array(1), nodeId: 'n1', epoch: 1 },
}

test('a mark of a refused actor is made by one write, expires after a day, and none once replaced', async () => {
  const items: TransactItem[] = []
  class Recorded extends MemoryStorage {
    override putIf(): never {
      throw new Error('a second write may never be made')
    }

    override transact(all: readonly TransactItem[]): Promise<boolean> {
      items.push(...all)
      return super.transact(all)
    }
  }
  const storage = new Recorded()
  await refuseActor(storage, anActor.actorId, 3 * DAY_MS)
  const [mark, ...others] = await asked(items.splice(0))
  expect(others).toEqual([])
  expect(mark && expiryOf(mark)).toBe(String((4 * DAY_MS) / 1000))
  await registerActor(storage, anActor, 5)
  const replaced = (await asked(items)).filter(({ Update: update }) =>
    update?.UpdateExpression?.includes(' REMOVE '),
  )
  expect(replaced).toHaveLength(items.length)
})

test('the row of a dead actor is dropped by DynamoDB after a week, no other row of an actor', async () => {
  const items: TransactItem[] = []
  class Recorded extends MemoryStorage {
    override transact(all: readonly TransactItem[]): Promise<boolean> {
      items.push(...all)
      return super.transact(all)
    }
  }
  const storage = new Recorded()
  await registerActor(storage, anActor, 5)
  await actorDead(storage, { ...anActor, incarnation: 0 }, 'killed', 3 * DAY_MS)
  const expiries = (await asked(items)).flatMap((item) => expiryOf(item) ?? [])
  expect(expiries).toEqual([String((10 * DAY_MS) / 1000)])
})

/** What the update of an item sets `x` to. */
function expiryOf({ Update: update }: TransactWriteItem): string | undefined {
  if (update === undefined) return undefined
  const { ExpressionAttributeNames: names = {}, ExpressionAttributeValues: values = {} } = update
  const name = Object.keys(names).find((each) => names[each] === 'x')
  const set = new RegExp(`${name ?? 'none'} = (:v\\d+)`).exec(update.UpdateExpression ?? '')
  return values[set?.[1] ?? '']?.N
}

/** What DynamoDB is sent for each item. */
async function asked(items: readonly TransactItem[]): Promise<TransactWriteItem[]> {
  const bodies = { store: new MemoryBodyStore(systemClock), hash: systemHash }
  const deps = { ...clientDeps(), meter: new UnitTotals(), bodies }
  const access = new DynamoAccess(deps, { cluster: 'c', region: 'us-east-1', deadlineMs: 0 })
  const sent: TransactWriteItemsCommand[] = []
  const send = (command: TransactWriteItemsCommand): Promise<object> => {
    sent.push(command)
    return Promise.resolve({})
  }
  Object.assign(access, { client: { send } })
  for (const item of items) await transactItems(access, [item])
  return sent.flatMap(({ input }) => input.TransactItems ?? [])
}
