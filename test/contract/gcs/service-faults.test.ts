// Faults of DynamoDB and S3 by their names in the catalogue, each told to one call at its worst
// moment, through the fault proxy.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  GcsUnavailableError,
  GcsWriteUnknownError,
  ObjectCorruptedError,
} from '../../../runtime/common/errors.ts'
import { systemHash } from '../../../runtime/common/random-system.ts'
import { sweepBodies } from '../../../runtime/gcs/bodies.ts'
import { claimJob, readJob, readJobs, submitJob, type JobRow } from '../../../runtime/gcs/jobs.ts'
import { claimName, findName } from '../../../runtime/gcs/names.ts'
import { QUERY_ROWS_MAX, type RowKey, type Storage } from '../../../runtime/gcs/storage.ts'
import { nameKey } from '../../../runtime/gcs/tables.ts'
import { makeStorage, type MadeStorage } from '../../support/dynamo-storage.ts'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { startFaultProxy, type Fault, type FaultProxy } from '../../support/fault-proxy.ts'
import { caught } from '../../support/waiting.ts'

const cloud = await startCloud()
afterAll(() => cloud?.stop())

describeOn(cloud, 'DynamoStorage', (cloud) => {
  let proxy: FaultProxy
  let made: MadeStorage
  let storage: Storage
  let partitions = 0
  let partition = ''
  const key = (sk: string): RowKey => ({ table: 'cluster', pk: partition, sk })
  const first = (fault: Fault, operation: string): void => {
    proxy.set([{ fault, operation, when: { nth: 1 } }])
  }

  beforeAll(async () => {
    proxy = await startFaultProxy(cloud.endpoint, 7)
    made = makeStorage(cloud, { endpoint: proxy.endpoint, requestTimeoutMs: 2_000 })
    storage = made.storage
  })
  beforeEach(() => {
    partition = `faults-${String(partitions++)}`
  })
  afterEach(() => {
    proxy.set([])
  })
  afterAll(async () => {
    made.storage.close()
    await proxy.stop()
  })

  const AFTER: readonly Fault[] = ['execute-then-error', 'truncate', 'bitflip', 'duplicate']

  test('F30: a write that has won is not said to be undone when a body of its row cannot be read', async () => {
    const impatient = makeStorage(cloud, { endpoint: proxy.endpoint, deadlineMs: 300 }).storage
    await impatient.putIf(key('a'), { large: 'x'.repeat(100_000), n: 1 }, 'ABSENT')
    proxy.set([{ fault: 'error-before', operation: 'GET' }])
    await caught(impatient.update(key('a'), { n: 2 }, 1), GcsWriteUnknownError)
    proxy.set([
      { fault: 'error-before', operation: 'GET' },
      { fault: 'execute-then-error', operation: 'UpdateItem', when: { nth: 1 } },
    ])
    await caught(impatient.update(key('a'), { n: 3 }, 2), GcsWriteUnknownError)
    proxy.set([])
    expect(await impatient.get(key('a'))).toMatchObject({ version: 3, value: { n: 3 } })
    impatient.close()
  })

  test.each(AFTER)(
    'F30: %s on each operation in turn is recognised as own success',
    async (fault) => {
      first(fault, 'UpdateItem')
      expect(await storage.putIf(key('a'), { n: 1 }, 'ABSENT')).toMatchObject({
        won: true,
        row: { version: 1, value: { n: 1 } },
      })
      first(fault, 'UpdateItem')
      expect(await storage.update(key('a'), { n: 2 }, 1)).toMatchObject({
        won: true,
        row: { version: 2, value: { n: 2 } },
      })
      first(fault, 'UpdateItem')
      expect(await storage.update(key('a'), { m: 3 }, { fields: { n: 2 } })).toMatchObject({
        won: true,
        row: { version: 3, value: { n: 2, m: 3 } },
      })
      first(fault, 'TransactWriteItems')
      expect(
        await storage.transact([
          { kind: 'putIf', key: key('b'), value: {}, expected: 'ABSENT' },
          { kind: 'putIf', key: key('c'), value: {}, expected: 'ABSENT' },
        ]),
      ).toBe(true)
      first(fault, 'DeleteItem')
      // A duplicate that nobody knows of finds the row gone, which is as good.
      const gone = await storage.delete(key('b'), 1)
      expect(gone.won || gone.current === undefined).toBe(true)
      first(fault, 'BatchWriteItem')
      await storage.append([{ key: key('d'), value: { n: 4 } }])
      const rows = await storage.query('cluster', partition)
      expect(rows.map((row) => row.key.sk)).toEqual(['a', 'c', 'd'])
    },
  )

  test('F30: a write that others followed while its answer was lost is still known', async () => {
    await storage.putIf(key('a'), { holder: 'nobody' }, 'ABSENT')
    first('execute-then-error', 'UpdateItem')
    const claim = storage.update(key('a'), { holder: 'me' }, 1)
    const other = makeStorage(cloud).storage
    for (let version = 1; version < 3;) {
      const row = await other.get(key('a'))
      version = row?.version ?? 0
      if (version === 2) await other.update(key('a'), { note: 1 }, version)
    }
    expect(await claim).toMatchObject({ won: true, row: { value: { holder: 'me' } } })
    other.close()
  })

  test('F21, F30: a retry that comes while the first still runs is one write', async () => {
    first('in-flight-error', 'UpdateItem')
    await storage.putIf(key('a'), { n: 1 }, 'ABSENT')
    expect(await storage.get(key('a'))).toMatchObject({ version: 1, value: { n: 1 } })
  })

  test('F29: errors before execution are repeated', async () => {
    for (const fault of ['refuse', 'error-before', 'blackhole'] as const) {
      first(fault, 'UpdateItem')
      expect(await storage.putIf(key(fault), {}, 'ABSENT')).toMatchObject({ won: true })
      expect(proxy.calls.get('UpdateItem')).toBe(2)
    }
  })

  test('F28: a throttled call waits its turn and is then made once', async () => {
    proxy.set([1, 2, 3].map((nth) => ({ fault: 'throttle', when: { nth } }) as const))
    await storage.putIf(key('a'), {}, 'ABSENT')
    expect(proxy.calls.get('UpdateItem')).toBe(4)
  })

  test('F31: rows that a batch left undone are sent again until none is missing', async () => {
    proxy.set([1, 2, 3].map((nth) => ({ fault: 'partial', when: { nth } }) as const))
    const rows = Array.from({ length: 60 }, (_, index) => ({
      key: key(String(index).padStart(2, '0')),
      value: { index },
    }))
    await storage.append(rows)
    expect(await storage.query('cluster', partition)).toHaveLength(60)
  })

  test('F32: a transaction in conflict with another is repeated', async () => {
    first('conflict', 'TransactWriteItems')
    expect(
      await storage.transact([{ kind: 'putIf', key: key('a'), value: {}, expected: 'ABSENT' }]),
    ).toBe(true)
  })

  test('F32: after the service forgot the token, the row tells that the claim was ours', async () => {
    const name = { namespace: partition, name: 'counter' }
    const row = { actorId: 'a1', owner: '0a', sinceMs: 5, nodeId: 'n1', epoch: 1 }
    expect(await claimName(storage, name, row)).toBeUndefined()
    // Eleven minutes later the caller asks again, with a new token as after a restart.
    expect(await claimName(storage, name, row)).toBeUndefined()
    expect(await findName(storage, name)).toEqual(row)
    expect(await storage.get(nameKey(name.namespace, name.name))).toMatchObject({ version: 1 })
  })

  test('F72: a submission sent five times through faults is one job, and one runner has it', async () => {
    const job = {
      submissionId: `job-${partition}`,
      request: { entry: 'app.ts' },
      submittedAtMs: 5,
    }
    const listed = async (): Promise<string[]> =>
      (await readJobs(storage, { limit: 1000 })).map(({ submissionId }) => submissionId)
    const before = new Set(await listed())
    const clients = Array.from({ length: 5 }, () =>
      makeStorage(cloud, { endpoint: proxy.endpoint, requestTimeoutMs: 2_000 }),
    )
    const faults = ['execute-then-error', 'in-flight-error', 'duplicate', 'error-before', 'refuse']
    proxy.set((faults as Fault[]).map((fault) => ({ fault, when: { chance: 0.15 } })))
    const told = await Promise.all(clients.map((client) => submitJob(client.storage, job)))
    const claims = await Promise.all(
      clients.map((client, n) => claimJob(client.storage, told[n] as JobRow, `n${String(n)}`)),
    )
    proxy.set([])
    expect((await listed()).filter((id) => !before.has(id))).toEqual([job.submissionId])
    for (const each of told) expect(each).toEqual(told[0])
    const winners = claims.filter((claim) => claim !== undefined)
    expect(winners).toHaveLength(1)
    expect(await readJob(storage, job.submissionId)).toMatchObject({
      ...{ state: 'RUNNING', attempt: 1, runner: winners[0]?.runner },
    })
    for (const client of clients) client.storage.close()
  })

  test('F33: in an outage calls end typed and sparse, and come back as they were', async () => {
    proxy.set([{ fault: 'error-before' }])
    const brief = makeStorage(cloud, { endpoint: proxy.endpoint, deadlineMs: 300 }).storage
    const count = 100
    const outcomes = await Promise.allSettled(
      Array.from({ length: count }, () => brief.get(key('a'))),
    )
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected' })
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(GcsUnavailableError)
    }
    expect(proxy.calls.get('GetItem')).toBeLessThanOrEqual(count * 1.2 + 51)
    proxy.set([])
    for (let call = 0; call < 20; call++) await storage.get(key('a'))
    expect(proxy.calls.get('GetItem')).toBeLessThanOrEqual(20 * 1.2)
    brief.close()
  })

  test('F34: what may be stale is; a decision never reads it', async () => {
    proxy.set([{ fault: 'stale-read' }])
    await storage.putIf(key('a'), { n: 1 }, 'ABSENT')
    expect((await storage.get(key('a'), { stale: true }))?.value).toEqual({ n: 1 })
    await storage.update(key('a'), { n: 2 }, 1)
    expect((await storage.get(key('a'), { stale: true }))?.value).toEqual({ n: 1 })
    expect((await storage.get(key('a')))?.value).toEqual({ n: 2 })
    expect((await storage.query('cluster', partition))[0]?.value).toEqual({ n: 2 })
  })

  test('F35: an expired fact may be there or not; writing it again is no matter', async () => {
    const fact = { key: key('a'), value: { n: 1 }, expiresAtMs: 1000 }
    await storage.append([fact])
    const row = await storage.get(fact.key)
    expect([undefined, 1]).toContain(row?.value['n'])
    if (row !== undefined) await storage.delete(fact.key, row.version) // expired at once
    expect(await storage.get(fact.key)).toBeUndefined()
    await storage.append([fact])
    await storage.query('cluster', partition, { limit: QUERY_ROWS_MAX })
  })

  const large = (n: number): { n: number; bytes: Uint8Array } => ({
    n,
    bytes: new Uint8Array(300_000).fill(n),
  })

  const bodyKeys = async (): Promise<string[]> =>
    (await made.bodies.list('', { limit: 1000 })).map((body) => body.key)

  test('F39: S3 saying SlowDown is repeated', async () => {
    proxy.set([{ fault: 'throttle', operation: 'PUT', when: { nth: 1 } }])
    await storage.putIf(key('a'), large(1), 'ABSENT')
    expect((await storage.get(key('a')))?.value).toEqual(large(1))
  })

  // No PUT has a condition, so S3 has no 412 to give: who won, the row says (D186).
  test.each(['duplicate', 'in-flight-error', 'conflict', 'throttle'] as const)(
    'F40: of two that write one large row one wins with its own bytes, each PUT met by %s',
    async (fault) => {
      const before = new Set(await bodyKeys())
      proxy.set([1, 2].map((nth) => ({ fault, operation: 'PUT', when: { nth } }) as const))
      const outcomes = await Promise.all([
        storage.putIf(key('a'), large(1), 'ABSENT'),
        storage.putIf(key('a'), large(2), 'ABSENT'),
      ])
      const winner = outcomes[0]?.won === true ? 1 : 2
      expect(outcomes.filter((outcome) => outcome.won)).toHaveLength(1)
      expect(proxy.calls.get('PUT')).toBe(fault === 'duplicate' ? 2 : 4)
      expect((await storage.get(key('a')))?.value).toEqual(large(winner))
      // Each wrote under a key of its own, however often: nobody has overwritten the other's bytes.
      const own = (await bodyKeys()).filter((each) => !before.has(each))
      expect(own).toHaveLength(2)
      expect(own).toEqual(expect.arrayContaining([...(await made.storage.pointersOf(key('a')))]))
    },
  )

  test('F41: a truncated or flipped answer is never taken for the row', async () => {
    await storage.putIf(key('a'), { text: 'x'.repeat(1000) }, 'ABSENT')
    for (const fault of ['truncate', 'bitflip'] as const) {
      first(fault, 'GetItem')
      expect((await storage.get(key('a')))?.value).toEqual({ text: 'x'.repeat(1000) })
      expect(proxy.calls.get('GetItem')).toBe(2)
    }
  })

  test('F41: a body that is not what was written is a typed error', async () => {
    await storage.putIf(key('a'), large(1), 'ABSENT')
    const [pointer = ''] = await made.storage.pointersOf(key('a'))
    await made.bodies.put(pointer, Uint8Array.from([1, 2, 3]))
    const error = await caught(storage.get(key('a')), ObjectCorruptedError)
    const digest = Buffer.from(systemHash.sha256(Uint8Array.from([1, 2, 3]))).toString('hex')
    expect(error.data).toMatchObject({ key: pointer, got: digest })
  })

  test('F42: bodies that no row points at are swept, and no others', async () => {
    await storage.putIf(key('a'), large(1), 'ABSENT')
    await storage.update(key('a'), large(2), 1) // leaves the first body behind
    await storage.putIf(key('a'), large(3), 'ABSENT') // loses, and leaves its own
    const sweep = { store: made.bodies, pointersOf: (row: RowKey) => made.storage.pointersOf(row) }
    expect(await sweepBodies(sweep, 3_600_000)).toBe(0)
    expect(await sweepBodies(sweep, -60_000)).toBeGreaterThanOrEqual(2)
    expect((await storage.get(key('a')))?.value).toEqual(large(2))
    expect(await sweepBodies(sweep, -60_000)).toBe(0)
  })
})
