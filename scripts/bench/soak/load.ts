// The load of the soak: tasks, actors, streams, large objects, errors and cancels side by side in
// one cluster, each checked, until the time of argv[2] (seconds) is over. Prints how many rounds of
// each there were, as JSON. Odd rounds free their refs, even ones leave them to the collector.
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  cancel,
  get,
  init,
  kill,
  type ObjectRef,
  put,
  shutdown,
  TaskCancelledError,
  TaskError,
} from 'virga'
import {
  addOne,
  countTo,
  fail,
  failOnce,
  rampOf,
  RemoteTally,
  spin,
  sumOf,
  waitFor,
} from './tasks.ts'

const BATCH = 500
const CHAIN = 20
const ITEMS = 200
/** 4 MB: forty times what is still kept inline. */
const LARGE_LENGTH = 500_000
const STORE_BYTES = 256 * 1024 * 1024
/** Between two rounds of one kind, so that all kinds get their turns. */
const PAUSE_MS = 5
/** Rounds between two that cost a process: a new actor, a worker killed by force. */
const PROCESS_EVERY = 50

const LOADS: Readonly<Record<string, (round: number) => Promise<void>>> = {
  tasks: async (round) => {
    const refs = Array.from({ length: BATCH }, (_, i) => addOne.remote(i))
    const values = await get(refs)
    assert.deepEqual([values[0], values.at(-1)], [1, BATCH])
    free(round, refs)
    let link = addOne.remote(0)
    for (let i = 1; i < CHAIN; i += 1) link = addOne.remote(link)
    assert.equal(await get(link), CHAIN)
    let mapped = 0
    for await (const value of addOne.map(Array.from({ length: BATCH }, () => 0))) mapped += value
    assert.equal(mapped, BATCH)
  },
  actors: async (round) => {
    const before = await tally.add.run(0)
    const counts = await get(Array.from({ length: BATCH }, () => tally.add.remote(1)))
    assert.equal(counts.at(-1), before + BATCH)
    if (round % PROCESS_EVERY !== 0) return
    const other = await RemoteTally.create()
    assert.equal(await other.add.run(2), 2)
    await kill(other)
  },
  streams: async () => {
    let seen = 0
    for await (const item of countTo.run(ITEMS)) assert.equal(item, seen++)
    assert.equal(seen, ITEMS)
    for await (const item of countTo.run(ITEMS)) if (item === 10) break
  },
  'large objects': async (round) => {
    const ref = await put(Float64Array.from({ length: LARGE_LENGTH }, (_, i) => i))
    assert.equal(await sumOf.run(ref), ((LARGE_LENGTH - 1) * LARGE_LENGTH) / 2)
    const made = rampOf.remote(LARGE_LENGTH)
    assert.equal((await get(made)).at(-1), LARGE_LENGTH - 1)
    free(round, [ref, made])
  },
  errors: async () => {
    await assert.rejects(fail.run('as asked'), (error: unknown) => {
      return error instanceof TaskError && error.cause instanceof RangeError
    })
    await assert.rejects(tally.fail.run(), TaskError)
    assert.equal(await failOnce.run(), 1)
  },
  cancels: async (round) => {
    const waiting = Array.from({ length: 4 }, () => waitFor.remote(60_000))
    await Promise.all(waiting.map((ref) => cancel(ref)))
    for (const ref of waiting) await assert.rejects(get(ref), TaskCancelledError)
    if (round % PROCESS_EVERY !== 0) return
    const spinning = spin.remote(60_000)
    await sleep(PAUSE_MS)
    await cancel(spinning, { force: true })
    await assert.rejects(get(spinning), TaskCancelledError)
  },
}

function free(round: number, refs: readonly ObjectRef[]): void {
  if (round % 2 === 1) for (const ref of refs) ref.free()
}

const endAtMs = performance.now() + Number(process.argv[2]) * 1000
await init({ address: 'local', numCpus: 2, objectStoreMemoryBytes: STORE_BYTES })
const tally = await RemoteTally.create()
const rounds = await Promise.all(
  Object.entries(LOADS).map(async ([name, load]) => {
    let count = 0
    for (; performance.now() < endAtMs; count += 1) {
      await load(count)
      await sleep(PAUSE_MS)
    }
    return [name, count] as const
  }),
)
await shutdown()
process.stdout.write(`${JSON.stringify(Object.fromEntries(rounds))}\n`)
