// What many tasks write into the tables off every critical path: their lineage, by the real writer,
// in segments whose bytes are bodies in S3; and the demand that waits, a row a second for each node
// with a driver.
import { systemHash } from '../../../runtime/common/random-system.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { UNITS_PER_ONE } from '../../../runtime/common/resources.ts'
import { Bodies } from '../../../runtime/gcs/bodies.ts'
import { MemoryBodyStore } from '../../../runtime/gcs/body-store-memory.ts'
import { tellDemand } from '../../../runtime/gcs/demand.ts'
import { LineageWriter } from '../../../runtime/gcs/lineage.ts'
import type { Field } from '../../../runtime/gcs/row-value.ts'
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import type { Storage } from '../../../runtime/gcs/storage.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import { meteredStorage } from '../../support/metered-storage.ts'
import { seededRandom } from '../../support/seeded.ts'
import { Units, type Usage } from './units.ts'
import { VirtualTime } from './virtual-time.ts'

export interface FactsPlan {
  readonly seed: number
  readonly drivers: number
  readonly tasks: number
  /** Of one spec: function, options and small arguments. */
  readonly specBytes: number
}

export interface Facts extends Usage {
  readonly plan: FactsPlan
  readonly s3Puts: number
  readonly s3Bytes: number
}

/** How often an owner tries again when its raylet takes no more specs (LI3). */
const RETRY_MS = 100
const DEMAND_MS = 1_000
/** As many as a driver submits in RETRY_MS. */
const BURST = 26_000

export async function runFacts(plan: FactsPlan): Promise<Facts> {
  const time = new VirtualTime()
  const units = new Units(time)
  const bodies = new MemoryBodyStore(time)
  const storage = withBodies(meteredStorage(new MemoryStorage(), units), bodies)
  const random = seededRandom(plan.seed)
  // Half of a spec is alike in all, half is the task's own.
  const common = random.bytes(Math.floor(plan.specBytes / 2))
  const owners = Array.from({ length: plan.drivers }, (_, index) => {
    const nodeId = index.toString(16).padStart(28, '0')
    const options = { nodeId, epoch: 1, durable: false }
    return { nodeId, writer: new LineageWriter({ storage, clock: time, log: silentLog }, options) }
  })
  const each = Math.round(plan.tasks / plan.drivers)
  const left = new Map(owners.map(({ nodeId }) => [nodeId, each]))
  let unwritten = plan.drivers
  const waiting = { resources: { CPU: UNITS_PER_ONE }, labels: [], waitingMs: 0 }
  for (const { nodeId, writer } of owners) {
    const submit = (): void => {
      let count = left.get(nodeId) ?? 0
      for (let i = 0; i < BURST && count > 0 && writer.hasRoom; i += 1, count -= 1) {
        const bytes = Buffer.concat([common, random.bytes(plan.specBytes - common.length)])
        writer.add({ owner: nodeId, sequence: each - count, bytes })
      }
      left.set(nodeId, count)
      if (count > 0) time.after(RETRY_MS, submit)
      else void writer.committed(nodeId, each - 1).then(() => (unwritten -= 1))
    }
    const tell = (): void => {
      const count = left.get(nodeId) ?? 0
      void tellDemand(storage, { nodeId, epoch: 1 }, count > 0 ? [{ ...waiting, count }] : [])
      if (count > 0) time.after(DEMAND_MS, tell)
    }
    submit()
    tell()
  }
  while (unwritten > 0) await time.runUntil(time.monotonicMs() + DEMAND_MS)
  const { count, sizeBytes } = await sumOf(bodies)
  return { plan, ...units.take(), s3Puts: count, s3Bytes: sizeBytes }
}

/** Fields that are too large for a row go into bodies, as they do in DynamoDB. */
function withBodies(storage: Storage, store: MemoryBodyStore): Storage {
  const split = new Bodies({ store, hash: systemHash })
  return changedStorage(storage, {
    append: async (rows) => {
      const small = rows.map(async ({ key, value, ...rest }) => {
        const { fields, bodies } = await split.split(key, value as Record<string, Field>, 'token')
        return { ...rest, key, value: { ...fields, bodies } }
      })
      await storage.append(await Promise.all(small))
    },
  })
}

async function sumOf(store: MemoryBodyStore): Promise<{ count: number; sizeBytes: number }> {
  const sum = { count: 0, sizeBytes: 0 }
  for (let after = ''; ;) {
    const page = await store.list('', { after, limit: 500 })
    for (const { key } of page) {
      sum.count += 1
      sum.sizeBytes += (await store.get(key))?.byteLength ?? 0
    }
    const last = page.at(-1)
    if (last === undefined) return sum
    after = last.key
  }
}
