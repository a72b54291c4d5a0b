// A process that does not read: what is sent to it waits with its sender, in the queue and not in
// the buffers of the connection (PE3 of peers.ts).
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PUSH_BYTES_MAX, SEND_BUFFER_BYTES_MAX } from '../../../runtime/common/limits.ts'
import { get } from '../../../sdk/get-put-wait.ts'
import { MemoryCluster, type MemoryClusterOptions } from '../../support/memory-cluster.ts'
import * as fn from './ref-functions.ts'

const CALL_BYTES = 90 * 1024
const CALLS = 400
/** The limit, the batch that crossed it, and what encoding adds. */
const BUFFER_BYTES_MAX = SEND_BUFFER_BYTES_MAX + 2 * PUSH_BYTES_MAX

let cluster: MemoryCluster
let mostBytes = 0

const start = (options: MemoryClusterOptions = {}): Promise<MemoryCluster> =>
  MemoryCluster.start({
    ...options,
    delayTurns: () => 3,
    onFrame: (_, end) => {
      mostBytes = Math.max(mostBytes, end.bufferedBytes)
    },
  })

beforeEach(async () => {
  cluster = await start()
  mostBytes = 0
})
afterEach(() => cluster.stop())

const payload = (i: number): string => String(i).padEnd(CALL_BYTES, '.')

describe('congestion', () => {
  it('arguments and results of an actor wait for a slow reader', async () => {
    const lengths = await cluster.run(async () => {
      const echo = fn.RemoteEcho.remote()
      await echo.echo.run('ready')
      return get(Array.from({ length: CALLS }, (_, i) => echo.echo.remote(payload(i))))
    })
    expect(lengths).toEqual(Array.from({ length: CALLS }, (_, i) => payload(i)))
    expect(mostBytes).toBeGreaterThan(PUSH_BYTES_MAX)
    expect(mostBytes).toBeLessThan(BUFFER_BYTES_MAX)
  })

  it('so do those of tasks', async () => {
    await cluster.run(async () => {
      await get(Array.from({ length: 50 }, (_, i) => fn.echo.remote(String(i)))) // it is quick
      await get(Array.from({ length: CALLS }, (_, i) => fn.echo.remote(payload(i))))
    })
    expect(mostBytes).toBeLessThan(BUFFER_BYTES_MAX)
  })

  it('also while their worker is being dialled', async () => {
    await cluster.stop()
    cluster = await start({ numCpus: 4, dialTurns: 20 })
    await cluster.run(async () => {
      for (let i = 0; i < 200; i += 1) await fn.echo.run(String(i)) // it is known to be quick
      mostBytes = 0
      await get(Array.from({ length: 5 * CALLS }, (_, i) => fn.echo.remote(payload(i))))
    })
    expect(mostBytes).toBeGreaterThan(PUSH_BYTES_MAX)
    expect(mostBytes).toBeLessThan(BUFFER_BYTES_MAX)
  })

  it('so do values that a borrower asks for', async () => {
    const total = await cluster.run(async () => {
      const refs = Array.from({ length: CALLS }, (_, i) => fn.echo.remote(payload(i)))
      await get(refs)
      mostBytes = 0
      return fn.lengthsOf.run({ refs })
    })
    expect(total).toBe(CALLS * CALL_BYTES)
    expect(mostBytes).toBeGreaterThan(PUSH_BYTES_MAX)
    expect(mostBytes).toBeLessThan(BUFFER_BYTES_MAX)
  })

  it('and the items of a stream that nobody holds back', async () => {
    await cluster.run(async () => {
      await get(fn.payloads.remote(CALLS, CALL_BYTES).completed)
    })
    expect(mostBytes).toBeLessThan(BUFFER_BYTES_MAX)
  })
})
