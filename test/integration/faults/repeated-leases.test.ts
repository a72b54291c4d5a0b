// F21: a request for a lease comes again while the first is still carried out, at a raylet with
// real workers, in every phase: before its worker has started, while it is had, when it is given
// back.
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RayletNotices } from '../../../runtime/protocol/messages.ts'
import { dialUds } from '../../../runtime/protocol/connection-uds.ts'
import type { Transport } from '../../../runtime/protocol/connection.ts'
import { systemMemoryProbe } from '../../../runtime/raylet/memory-probe-system.ts'
import { startProcessNode, type ProcessNode } from '../../support/process-node.ts'
import { until } from '../../support/waiting.ts'
import { aClass, aDriversJob } from '../../unit/raylet/brain.ts'
import { Peer } from '../../unit/raylet/raylet-peers.ts'

const CPUS = 4
const TIMES = 5

let node: ProcessNode
/** Stopped as soon as they are started, until all may start. */
const held: number[] = []
let mayStart = false
const started = (pid: number): void => {
  if (mayStart) return
  process.kill(pid, 'SIGSTOP')
  held.push(pid)
}
function letStart(): void {
  mayStart = true
  for (const pid of held.splice(0)) process.kill(pid, 'SIGCONT')
}
beforeAll(async () => {
  node = await startProcessNode({ numCpus: CPUS, memory: systemMemoryProbe, started })
})
afterAll(async () => {
  letStart()
  await node.stop()
})

/** A driver that asks by hand. */
class Asking {
  readonly peer: Peer

  private constructor(peer: Peer) {
    this.peer = peer
  }

  static async connect(workerId: string): Promise<Asking> {
    const path = node.address.slice('unix:'.length)
    const transport = { connect: () => dialUds(path) } as unknown as Transport
    const asking = new Asking(await Peer.connect(transport))
    await asking.peer.hello({ workerId, job: aDriversJob('job1') })
    return asking
  }

  /** So often, at once. */
  notify<K extends keyof RayletNotices>(type: K, message: RayletNotices[K], times = TIMES): void {
    for (let time = 0; time < times; time += 1) this.peer.channel.notify(type, message)
  }

  want(count: number): void {
    this.notify('wantLeases', { classId: 0, count, spec: aClass() })
  }

  get granted(): number[] {
    const grants = this.peer.seen.filter(({ type }) => type === 'leaseGranted')
    return grants.map(({ message }) => message['leaseId'] as number)
  }

  /** CPUs that are leased once the raylet has heard all that was said: one for each lease. */
  async leased(): Promise<number> {
    const { rows } = await this.peer.channel.request('state', { kind: 'resources' })
    const cpus = rows.find(({ name }) => name === 'CPU') as { total: number; free: number }
    return cpus.total - cpus.free
  }
}

it('F21: a lease that is asked for again while the first is on its way is one, in every phase', async () => {
  const driver = await Asking.connect('driver-1-of-test')
  driver.want(1)
  expect(await driver.leased()).toBe(1)
  driver.want(1)
  expect(await driver.leased()).toBe(1)
  expect(driver.granted).toEqual([]) // its worker has not started yet
  letStart()
  await until(() => driver.granted.length > 0)
  driver.want(1)
  expect(await driver.leased()).toBe(1)
  expect(driver.granted).toHaveLength(1)

  const [leaseId] = driver.granted
  const returned = { leaseId, retire: false } as RayletNotices['returnLease']
  driver.want(0)
  driver.notify('returnLease', returned)
  expect(await driver.leased()).toBe(0)
  driver.want(1)
  driver.notify('returnLease', returned) // of the one before: it is not taken for this one
  expect(await driver.leased()).toBe(1)
  expect(driver.granted).toHaveLength(2)

  // The connection is lost before an answer can be heard; the same is asked for on another.
  driver.want(2)
  driver.peer.channel.close()
  const again = await Asking.connect('driver-2-of-test')
  again.want(1)
  await until(async () => (await again.leased()) === 1)
  await until(() => again.granted.length > 0)
  again.want(1)
  expect(await again.leased()).toBe(1)
  expect(again.granted).toHaveLength(1)
  again.peer.channel.close()
})
