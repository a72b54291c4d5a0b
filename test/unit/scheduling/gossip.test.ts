// Gossip of load: what is published, how far it gets over bad lines, and what it costs.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import {
  ENTRIES_MAX,
  FANOUT,
  LATE_ROUNDS,
  LoadGossip,
  ROUND_MS,
  type GossipEffect,
  type GossipMessage,
} from '../../../runtime/scheduling/gossip.ts'
import { GossipNetwork, TOTALS } from './gossip-network.ts'

const codec = new ValueCodec()
const bytesOf = (message: GossipMessage): number => codec.encode(message, 'gossip').sizeBytes

const aNode = (): LoadGossip => {
  const self = { nodeId: 'a', epoch: 1, zone: 'x' }
  const gossip = new LoadGossip({ self, totals: TOTALS, random: { next: () => 0.5 } })
  gossip.step({ kind: 'members', members: [self, { nodeId: 'b', epoch: 3, zone: 'x' }] }, 0)
  return gossip
}

const versionsIn = (effects: readonly GossipEffect[]): number[] =>
  effects.flatMap((effect) => {
    if (effect.kind !== 'send' || effect.message.kind !== 'loads') return []
    return effect.message.loads.filter(({ nodeId }) => nodeId === 'a').map((load) => load.version)
  })

describe('what is told', () => {
  const setCpus = (gossip: LoadGossip, cpus: number): void => {
    gossip.step({ kind: 'load', free: { ...TOTALS, CPU: cpus * 10_000 } }, 0)
  }
  /** The versions above what is known that are told in these rounds, by the round. */
  const newsIn = (gossip: LoadGossip, from: number, to: number, known = 0): number[][] => {
    let seen = known
    return Array.from({ length: to - from + 1 }, (_, at) => {
      const versions = versionsIn(gossip.step({ kind: 'tick' }, (from + at) * ROUND_MS))
      const news = versions.filter((version) => version > seen)
      seen = Math.max(seen, ...versions)
      return news
    })
  }

  test('GO1 an answer that is far from what was published is put right, be it as before again', () => {
    const gossip = aNode()
    gossip.step({ kind: 'tick' }, 0)
    setCpus(gossip, 0)
    expect(gossip.say('b').free['CPU']).toBe(0)
    setCpus(gossip, 64)
    const { version } = gossip.own
    expect(newsIn(gossip, 1, 3)).toEqual([[version], [], []])
  })

  test('GO1 less than an eighth is told late, of what was published and of what was said', () => {
    const gossip = aNode()
    gossip.step({ kind: 'tick' }, 0)
    const quiet = Array.from({ length: LATE_ROUNDS - 1 }, () => [])
    setCpus(gossip, 63)
    expect(newsIn(gossip, 1, LATE_ROUNDS)).toEqual([...quiet, [1]])
    setCpus(gossip, 60)
    gossip.say('b')
    setCpus(gossip, 63)
    expect(newsIn(gossip, 1 + LATE_ROUNDS, 2 * LATE_ROUNDS, 1)).toEqual([...quiet, [3]])
    expect(newsIn(gossip, 1 + 2 * LATE_ROUNDS, 5 * LATE_ROUNDS, 3).flat()).toEqual([])
  })

  test('GO1 nothing that moved less than an eighth at once, and nothing twice in a second', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ cpus: fc.nat(64), afterMs: fc.nat(2_000) }), { maxLength: 60 }),
        (changes) => {
          const gossip = aNode()
          let nowMs = 0
          let told = { cpus: 64, version: 0, atMs: -Infinity, round: 0 }
          let round = 0
          let roundAtMs = -Infinity
          let cpus = 64
          let saidApart = 0
          const apart = (): number => Math.abs(cpus - told.cpus)
          const tick = (): void => {
            if (nowMs - roundAtMs >= ROUND_MS) {
              round += 1
              roundAtMs = nowMs
            }
            const [version] = versionsIn(gossip.step({ kind: 'tick' }, nowMs))
            if (version === undefined || version === told.version) return
            expect(nowMs - told.atMs).toBeGreaterThanOrEqual(ROUND_MS)
            const isLate = round - told.round >= LATE_ROUNDS
            expect(Math.max(saidApart, apart())).toBeGreaterThanOrEqual(isLate ? 1 : 8)
            told = { cpus, version, atMs: nowMs, round }
            saidApart = 0
          }
          tick()
          for (const change of changes) {
            nowMs += change.afterMs
            cpus = change.cpus
            const free = { ...TOTALS, CPU: cpus * 10_000 }
            const said = versionsIn(gossip.step({ kind: 'load', free }, nowMs)) // GO5
            if (said.length > 0) saidApart = Math.max(saidApart, apart())
            tick()
          }
          nowMs += ROUND_MS
          tick()
          expect(apart()).toBeLessThan(8) // what moved by an eighth was told
        },
      ),
    )
  })

  test('GO5 whom it told that it is short of something hears at once that it is not, and once', () => {
    const gossip = aNode()
    gossip.step({ kind: 'tick' }, 0)
    const toldWith = (cpus: number): number[] =>
      versionsIn(gossip.step({ kind: 'load', free: { ...TOTALS, CPU: cpus * 10_000 } }, 0))
    expect(toldWith(0)).toEqual([])
    gossip.say('b')
    expect([toldWith(0.5), toldWith(1), toldWith(0), toldWith(64)]).toEqual([[], [3], [], []])
    toldWith(0)
    expect(newsIn(gossip, 1, 1, 5)).toEqual([[6]])
    expect([toldWith(-1), toldWith(2), toldWith(3)]).toEqual([[], [8], []])
  })

  test('GO5 one that is no member any more is told nothing', () => {
    const gossip = aNode()
    setCpus(gossip, 0)
    gossip.say('b')
    const self = { nodeId: 'a', epoch: 1, zone: 'x' }
    gossip.step({ kind: 'members', members: [self] }, 0)
    expect(gossip.step({ kind: 'load', free: TOTALS }, 0)).toEqual([])
  })

  test('GO1 that the node is slow, and well again, though nothing has moved', () => {
    const gossip = aNode()
    const told = (nowMs: number, isSlow: boolean): number => {
      gossip.step({ kind: 'load', free: TOTALS, isSlow }, nowMs)
      return versionsIn(gossip.step({ kind: 'tick' }, nowMs)).length
    }
    for (let round = 0; round < 9; round += 1) told(round * ROUND_MS, false)
    expect([told(10 * ROUND_MS, false), gossip.own.isSlow]).toEqual([0, undefined])
    expect([told(11 * ROUND_MS, true), gossip.own.isSlow]).toEqual([1, true])
    for (let round = 12; round < 20; round += 1) told(round * ROUND_MS, true)
    expect(told(20 * ROUND_MS, false)).toBe(1)
  })

  test('GO3 nobody hears of a node that is no member, or of an epoch that has ended', () => {
    const gossip = aNode()
    const load = { epoch: 3, version: 1, free: TOTALS }
    const hear = (nodeId: string, epoch: number): readonly GossipEffect[] =>
      gossip.step(
        {
          kind: 'received',
          from: 'b',
          message: { kind: 'loads', loads: [{ ...load, nodeId, epoch }] },
        },
        0,
      )
    expect(hear('b', 3)).toHaveLength(1)
    expect(hear('b', 3)).toHaveLength(0) // doubled
    expect(hear('b', 2)).toHaveLength(0)
    expect(hear('z', 3)).toHaveLength(0)
    expect(hear('a', 1)).toHaveLength(0) // it knows itself better
  })

  test('GO2 a round goes to the own zone, but for one peer', () => {
    const network = new GossipNetwork({ nodeCount: 30, zoneCount: 3, seed: 1 })
    const gossip = network.nodes.get(network.members[0]?.nodeId ?? '')?.gossip
    const sent = gossip?.step({ kind: 'tick' }, ROUND_MS) ?? []
    const zones = sent.flatMap((effect) => {
      if (effect.kind !== 'send' || effect.message.kind !== 'loads') return []
      return [network.members.find(({ nodeId }) => nodeId === effect.to)?.zone]
    })
    expect(zones).toHaveLength(FANOUT)
    expect(zones.filter((zone) => zone === 'zone-0')).toHaveLength(FANOUT - 1)
  })
})

describe('how far it gets', () => {
  test('GO4 everybody agrees in the end, whatever is lost, doubled and reordered', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 24 }),
        fc.integer({ min: 1, max: 3 }),
        fc.nat({ max: 1_000_000 }),
        fc.double({ min: 0, max: 0.6, noNaN: true }),
        (nodeCount, zoneCount, seed, lost) => {
          const network = new GossipNetwork({ nodeCount, zoneCount, seed, lost, doubled: 0.2 })
          for (let round = 0; round < 5; round += 1) {
            for (const { nodeId } of network.members) {
              network.load(nodeId, Math.floor(network.random() * 9) * 8)
            }
            network.round()
          }
          let rounds = 0
          while (network.agreement < 1 && rounds < 2_000) {
            network.round()
            rounds += 1
          }
          expect(network.agreement).toBe(1)
        },
      ),
      { numRuns: 30 },
    )
  })

  test('one change reaches 97 of 100 nodes in ten rounds, with 3 zones and a tenth lost', () => {
    const network = new GossipNetwork({ nodeCount: 300, zoneCount: 3, seed: 5, lost: 0.1 })
    for (let round = 0; round < 40; round += 1) network.round()
    const [first] = network.members
    network.load(first?.nodeId ?? '', 8)
    for (let round = 0; round < 10; round += 1) network.round()
    const informed = [...network.nodes.values()].filter(
      ({ view }) => view.get(first?.nodeId ?? '')?.free['CPU'] === 80_000,
    )
    expect(informed.length).toBeGreaterThanOrEqual(291)
  })
})

describe('what it costs', () => {
  test('a node of a thousand sends less than 128 KiB a second, even if all change at once', () => {
    // One round as GO2 bounds it: full messages to every peer, and a digest of everybody.
    const loads = Array.from({ length: ENTRIES_MAX }, (_, i) => ({
      nodeId: i.toString(16).padStart(28, '0'),
      epoch: 1_000 + i,
      version: 1_000_000 + i,
      free: { ...TOTALS, CPU: 10_000 * i },
    }))
    const known = Array.from({ length: 1_000 }, (_, i) => {
      return [i.toString(16).padStart(28, '0'), 1_000, 1_000_000 + i] as const
    })
    const boundBytes =
      FANOUT * bytesOf({ kind: 'loads', loads }) + bytesOf({ kind: 'digest', known })
    expect(boundBytes).toBeLessThan(128 * 1024)
  })

  test('a quiet cluster sends digests only', () => {
    const network = new GossipNetwork({ nodeCount: 100, zoneCount: 2, seed: 3 })
    for (let round = 0; round < 60; round += 1) network.round()
    expect(network.agreement).toBe(1)
    let loads = 0
    let digests = 0
    network.onSend = (_, message) => {
      if (message.kind === 'loads') loads += 1
      else digests += 1
    }
    for (let round = 0; round < 32; round += 1) network.round()
    expect(loads).toBe(0)
    expect(digests).toBeGreaterThan(0)
    expect(digests / (100 * 32)).toBeLessThan(1 / 8)
  })
})
