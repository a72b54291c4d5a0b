// What the simulated network does with what is cut off, both ways and one way.
import { beforeEach, describe, expect, it } from 'vitest'
import { KEEP_ALIVE_MS, UNACKNOWLEDGED_LIMIT_MS } from '../../runtime/common/limits.ts'
import { FRAME_HEADER_BYTES, type Connection } from '../../runtime/protocol/connection.ts'
import { Draw } from './draw.ts'
import { SimNetwork } from './network.ts'
import { Probes } from './probes.ts'
import { SimProcess } from './process.ts'
import { Scheduler } from './scheduler.ts'

const QUALITY = {
  ...{ latencyMs: 1, jitterMs: 0, spikeChance: 0, spikeMs: 0 },
  silenceMs: UNACKNOWLEDGED_LIMIT_MS,
}

class Side {
  readonly heard: string[] = []
  closedBy: string | undefined
  connection: Connection | undefined

  start(connection: Connection): void {
    this.connection = connection
    connection.start({
      onFrame: (body) => {
        this.heard.push(body.toString())
      },
      onClose: (error?: Error & { readonly code?: string }) => {
        this.closedBy = error?.code ?? 'an end'
      },
      onDrain: () => undefined,
    })
  }

  says(what: string): void {
    this.connection?.send(Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), Buffer.from(what)]))
  }
}

let scheduler: Scheduler
let network: SimNetwork
let near: Side
let far: Side

const pass = (ms: number) => scheduler.run({ untilMs: scheduler.nowMs + ms, done: () => false })

beforeEach(async () => {
  scheduler = new Scheduler()
  const draw = new Draw('network a')
  network = new SimNetwork({ scheduler, draw, probes: new Probes(), quality: QUALITY })
  near = new Side()
  far = new Side()
  const [a, b] = [
    new SimProcess(scheduler, 'a/driver', 1),
    new SimProcess(scheduler, 'b/worker', 2),
  ]
  await network.transport(b).listen('at-b', (connection) => {
    far.start(connection)
  })
  void network
    .transport(a)
    .connect('at-b')
    .then((connection) => {
      near.start(connection)
    })
  await pass(10)
})

describe('a link of the simulated network that carries one way only', () => {
  it('brings what the one says, and what the other said once it is whole again', async () => {
    network.holdOneWay('a', 'b', 5_000)
    near.says('there?')
    far.says('here')
    await pass(1_000)
    expect([near.heard, far.heard]).toEqual([['here'], []])
    await pass(5_000)
    expect([near.heard, far.heard]).toEqual([['here'], ['there?']])
    expect([near.closedBy, far.closedBy]).toEqual([undefined, undefined])
  })

  it('breaks at both ends, each by itself, when it lasts, and what was not heard never is', async () => {
    network.holdOneWay('a', 'b', 60_000)
    near.says('there?')
    await pass(UNACKNOWLEDGED_LIMIT_MS - 100)
    expect([near.closedBy, far.closedBy]).toEqual([undefined, undefined])
    await pass(KEEP_ALIVE_MS + 200)
    expect([near.closedBy, far.closedBy]).toEqual(['ETIMEDOUT', 'ETIMEDOUT'])
    await pass(60_000)
    expect(far.heard).toEqual([])
  })

  it('resets who says something to an end that has given up', async () => {
    network.holdMachines('a', 'b', UNACKNOWLEDGED_LIMIT_MS + 1)
    await pass(UNACKNOWLEDGED_LIMIT_MS)
    // As chance says: only the one has noticed before the link is whole again.
    expect([near.closedBy, far.closedBy]).toEqual(['ETIMEDOUT', undefined])
    await pass(100)
    near.says('there?')
    far.says('there?')
    await pass(100)
    expect([near.closedBy, far.closedBy]).toEqual(['ETIMEDOUT', 'ECONNRESET'])
    expect([near.heard, far.heard]).toEqual([[], []])
  })
})
