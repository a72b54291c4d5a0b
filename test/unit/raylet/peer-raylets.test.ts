// Connections between two raylets, over a network in memory: who closes what, and when.
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { VirgaError } from '../../../runtime/common/errors.ts'
import type { PeerTransport } from '../../../runtime/protocol/peer-transport.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { PeerRaylets } from '../../../runtime/raylet/cluster/peer-raylets.ts'
import { PeerNetwork } from '../../support/peer-network.ts'
import { caught, until } from '../../support/waiting.ts'

const codec = new ValueCodec()
let network: PeerNetwork
let asking: PeerRaylets
let asked: PeerRaylets
let node: { readonly nodeId: string; readonly address: string }
/** Dials wait for it. */
let mayConnect: Promise<void>
let dials: number
/** Connections of others that closed at the one that is asked. */
let closed: number
/** Nodes whose connection was lost. */
let lost: string[]

beforeEach(async () => {
  network = new PeerNetwork(systemClock)
  mayConnect = Promise.resolve()
  dials = 0
  closed = 0
  lost = []
  const transport = transportOf('a0')
  asking = raylets({
    ...transport,
    connect: async (address) => {
      dials += 1
      const made = await transport.connect(address)
      await mayConnect
      return made
    },
  })
  asked = raylets(transportOf('a1'))
  node = { nodeId: 'a1', address: await asked.listen('127.0.0.1:0') }
})
afterEach(() => Promise.all([asking.close(), asked.close()]))

test.each<[string, () => void]>([
  ['forgotten', () => asking.forget(node)],
  ['closed', () => void asking.close()],
])('PY3: a connection that is dialled while it is %s is closed when it comes', async (_, leave) => {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  mayConnect = promise
  const answer = caught(asking.ask(node, 'ping', {}, 60_000), VirgaError)
  leave()
  resolve(undefined)
  expect((await answer).message).toContain('was left while it was dialled')
  await until(() => closed === 1)
})

test('PY3: nobody is dialled by one that has closed', async () => {
  await asking.close()
  await caught(asking.ask(node, 'ping', {}, 60_000), VirgaError)
  expect(dials).toBe(0)
})

test('PY3: who is forgotten is lost at once, and its next epoch keeps its connections', async () => {
  const next = raylets(network.transportOf({ cluster: 'test', nodeId: 'a1', epoch: 2 }))
  const reborn = { nodeId: 'a1', address: await next.listen('127.0.0.1:0') }
  await asking.ask(node, 'ping', {}, 60_000)
  await asking.ask(reborn, 'ping', {}, 60_000)
  asking.forget(node)
  expect(lost).toEqual(['a1'])
  await until(() => closed === 1)
  await asking.ask(reborn, 'ping', {}, 60_000)
  expect(dials).toBe(2)
  expect(lost).toEqual(['a1'])
  await next.close()
})

test('PY3: who dialled in a life that ended before it was known as a member is let go of', async () => {
  await asking.ask(node, 'ping', {}, 60_000)
  asked.forgetBefore('a0', 1)
  expect(closed).toBe(0)
  asked.forgetBefore('a0', 2)
  expect(closed).toBe(1)
})

function transportOf(nodeId: string): PeerTransport {
  return network.transportOf({ cluster: 'test', nodeId, epoch: 1 })
}

function raylets(transport: PeerTransport): PeerRaylets {
  return new PeerRaylets(
    { transport, clock: systemClock, codec },
    {
      requested: () => undefined,
      notified: () => undefined,
      lost: (nodeId) => lost.push(nodeId),
      undialled: () => undefined,
      linkClosed: () => {
        closed += 1
      },
      bulk: () => undefined,
    },
  )
}
