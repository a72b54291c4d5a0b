// Leases over several nodes: real brains of homes and of those they ask.
import { describe, expect, test } from 'vitest'
import type { StateRow } from '../../../runtime/protocol/messages.ts'
import { whyRows } from '../../../runtime/raylet/why-rows.ts'
import { units } from './brain.ts'
import { SeveralBrains } from './several-brains.ts'

const cpus = (...counts: number[]): SeveralBrains =>
  new SeveralBrains(counts.map((CPU) => ({ resources: units({ CPU }) })))
const heldAt = (brains: SeveralBrains): number => brains.at(0).held.size
const freeOf = (brains: SeveralBrains): number[] => brains.nodes.map((_, i) => brains.free(i))
const bound = (brains: SeveralBrains, index: number, soft = false) => ({
  strategy: { kind: 'NODE_AFFINITY', nodeId: brains.at(index).id, soft } as const,
})

describe('leases over nodes', () => {
  test('fill every CPU of every node, each under a number of its own', () => {
    const brains = cpus(2, 2, 2)
    brains.driver('d')
    brains.want('d', 10)
    expect(heldAt(brains)).toBe(6)
    expect(freeOf(brains)).toEqual([0, 0, 0])
    expect(brains.at(0).state.remoteLeases.size).toBe(4)
    const workers = [...brains.at(0).held.values()].map(({ workerId }) => workerId)
    expect(new Set(workers).size).toBe(6)
  })

  test('10,000 tasks over 8 nodes fill every CPU, with a few questions to each node', () => {
    const brains = cpus(...Array.from({ length: 8 }, () => 8))
    brains.driver('d')
    brains.want('d', 10_000)
    expect(heldAt(brains)).toBe(64)
    expect(brains.askedCount).toBeLessThanOrEqual(4 * 7)
    expect(brains.hopsMax).toBeLessThanOrEqual(2)
  })

  test('go back to where they are from, and are had again', () => {
    const brains = cpus(1, 1)
    brains.driver('d')
    brains.want('d', 2)
    brains.want('d', 0)
    for (const leaseId of [...brains.at(0).held.keys()]) brains.giveBack('d', leaseId)
    expect(freeOf(brains)).toEqual([1, 1])
    expect(brains.isIdle()).toBe(true)
    brains.tick(2_000)
    brains.want('d', 2)
    expect(heldAt(brains)).toBe(2)
  })

  test('LR3: leases that end one by one leave no node full in the view of their home', () => {
    const brains = cpus(1, 64)
    brains.driver('d')
    for (let each = 0; each < 100; each += 1) {
      brains.want('d', 2)
      brains.want('d', 0)
      for (const leaseId of [...brains.at(0).held.keys()]) brains.giveBack('d', leaseId)
    }
    const { id } = brains.at(1)
    expect(brains.at(0).state.cluster?.view.get(id)?.free).toEqual(units({ CPU: 64 }))
  })

  test('no more is asked for than is wanted', () => {
    const brains = cpus(1, 4, 4)
    brains.driver('d')
    brains.want('d', 3)
    expect(heldAt(brains)).toBe(3)
    expect(freeOf(brains).reduce((sum, free) => sum + free)).toBe(6)
  })

  test('go to the node that holds the arguments while it has room, then to others', () => {
    const brains = cpus(4, 4, 4)
    brains.driver('d')
    brains.want('d', 3, { holder: brains.at(1).id })
    expect(freeOf(brains)).toEqual([4, 1, 4])
    brains.want('d', 10)
    expect(freeOf(brains)).toEqual([expect.any(Number), 0, expect.any(Number)])
    expect(heldAt(brains)).toBe(10)
  })

  test('a holder that has left is none', () => {
    const brains = cpus(4, 4)
    brains.driver('d')
    brains.want('d', 2, { holder: 'ff' })
    expect(heldAt(brains)).toBe(2)
  })

  test('OL9: what lies there comes first when a node has room again', () => {
    const brains = cpus(1, 1, 1)
    brains.driver('d')
    brains.driver('e')
    brains.driver('f')
    brains.want('d', 3)
    brains.want('e', 1)
    brains.want('f', 1, { holder: brains.at(2).id })
    const { id, state } = { id: brains.at(2).id, state: brains.at(0).state }
    const there = () => [...state.remoteLeases.values()].filter(({ nodeId }) => nodeId === id)
    brains.want('d', 0)
    for (const { leaseId } of there()) brains.giveBack('d', leaseId)
    expect(heldAt(brains)).toBe(3)
    expect(there().map(({ class: { client } }) => client)).toEqual(['f'])
  })

  test('OL7: at most a thousand are on their way, so that another driver finds some too', () => {
    const brains = cpus(1, 1_500, 1_500)
    for (const node of brains.nodes) node.startsWorkers = false
    brains.driver('d0', 0)
    brains.want('d0', 10_000, {}, 0)
    const taken = (): number => 3_000 - brains.free(1) - brains.free(2)
    expect(taken()).toBe(999) // and one at home
    brains.driver('d1', 1)
    brains.want('d1', 10_000, {}, 1)
    expect(taken()).toBeGreaterThan(1_900)
  })

  test('two drivers of two nodes with stale views share what there is, and lose nothing', () => {
    const brains = cpus(1, 1, 1)
    brains.driver('d0', 0)
    brains.driver('d1', 1)
    brains.want('d0', 3, {}, 0)
    brains.want('d1', 3, {}, 1) // believes that node 2 is free
    expect(heldAt(brains) + brains.at(1).held.size).toBe(3)
    expect(brains.hopsMax).toBeLessThanOrEqual(2)
    brains.leave('d0', 0)
    brains.tick(2_000)
    expect(freeOf(brains).reduce((sum, free) => sum + free) + brains.at(1).held.size).toBe(3)
  })

  test('a node that refused though it seemed free is left alone for a second', () => {
    const brains = cpus(1, 1)
    brains.driver('d')
    brains.at(1).state.leaseUntilMs = -Infinity // the GCS does not confirm it
    brains.want('d', 5)
    expect(heldAt(brains)).toBe(1)
    const before = brains.askedCount
    expect(before).toBe(1)
    brains.at(1).state.leaseUntilMs = Infinity
    brains.tick(1_000)
    expect(heldAt(brains)).toBe(2)
  })

  test('a node that did not answer is asked again a second later, whatever it says of its load', () => {
    const brains = cpus(1, 1)
    brains.driver('d')
    brains.at(1).cut = true
    brains.want('d', 2)
    expect(heldAt(brains)).toBe(1)
    brains.at(1).cut = false
    brains.tick(1_000)
    expect(heldAt(brains)).toBe(2)
  })

  test('a node that takes its home for free has it asked nothing', () => {
    const brains = cpus(1, 1)
    brains.driver('e', 1)
    brains.want('e', 1, {}, 1)
    brains.driver('d')
    brains.want('d', 2)
    expect(brains.askedCount).toBe(1)
    expect(heldAt(brains)).toBe(1)
    expect([...(brains.at(0).state.cluster?.shunned.keys() ?? [])]).toEqual([])
  })

  test('labels: only where they are; where they are not, infeasible with the nearest', () => {
    const resources = units({ CPU: 2 })
    const brains = new SeveralBrains([{ resources }, { resources, labels: { disk: 'ssd' } }])
    brains.driver('d')
    brains.want('d', 3, { labelSelectors: [{ disk: 'ssd' }] })
    expect(freeOf(brains)).toEqual([2, 0])
    brains.leave('d')
    brains.driver('e')
    brains.want('e', 1, { labelSelectors: [{ disk: 'tape' }] })
    expect(brains.at(0).refused[0]).toContain('no node has the labels')
  })

  test('a demand that only another node can hold goes there; one that none can hold fails', () => {
    const brains = cpus(1, 4)
    brains.driver('d')
    brains.want('d', 1, { demand: units({ CPU: 3 }) })
    expect(freeOf(brains)).toEqual([1, 1])
    brains.driver('e')
    brains.want('e', 1, { demand: units({ CPU: 9 }) })
    expect(brains.at(0).refused[0]).toContain(`node ${brains.at(1).id} has 4`)
  })

  test('SPREAD takes the least used node each time', () => {
    const brains = cpus(4, 4, 4)
    brains.driver('d')
    brains.want('d', 6, { strategy: { kind: 'SPREAD' } })
    expect(freeOf(brains)).toEqual([2, 2, 2])
  })
})

describe('OL8: a class that only another node can hold, which others keep busy', () => {
  const onDisk = { labelSelectors: [{ disk: 'ssd' }] }
  const busy = (...more: number[]): SeveralBrains => {
    const disks = [2, ...more].map((CPU) => ({
      resources: units({ CPU }),
      labels: { disk: 'ssd' },
    }))
    const brains = new SeveralBrains([{ resources: units({ CPU: 4 }) }, ...disks])
    brains.driver('rich')
    brains.want('rich', 20, onDisk)
    brains.driver('poor')
    brains.want('poor', 3, onDisk)
    return brains
  }

  test('waits there for its first lease: who holds more is asked for one', () => {
    const brains = busy()
    const rich = [...brains.at(0).held.keys()]
    expect(rich).toHaveLength(2)
    brains.tick(200)
    expect(brains.at(0).askedBack).toHaveLength(1)
    const [asked = 0] = brains.at(0).askedBack
    brains.giveBack('rich', asked)
    const first = [...brains.at(0).held.keys()].find((leaseId) => !rich.includes(leaseId)) ?? 0
    expect(first).toBeGreaterThan(0)
    // It has one, and waits for more at home as others do.
    brains.tick(10_000)
    brains.giveBack('poor', first)
    brains.want('poor', 0, onDisk)
    brains.leave('rich')
    expect(brains.isIdle()).toBe(true)
    expect(brains.free(1)).toBe(2)
  })

  test('waits at one of several, and takes no more than it wants when all have room', () => {
    const brains = busy(2, 2)
    brains.tick(200)
    expect(brains.at(0).askedBack).toHaveLength(1)
    brains.leave('rich')
    brains.tick(2_000)
    expect(heldAt(brains) - 6).toBe(3) // those of who left are not told to it
  })

  test('waits elsewhere when that node dies', () => {
    const brains = busy(2)
    brains.tick(200)
    const [waitsAt] = brains.nodes.flatMap(({ state }, index) =>
      [...state.clients.values()].some(({ classes }) =>
        [...classes.values()].some((each) => each.wanted === 1),
      )
        ? [index]
        : [],
    )
    brains.die(waitsAt ?? 0)
    brains.tick(2_000)
    brains.tick(2_000)
    expect(brains.at(0).askedBack).toHaveLength(2)
  })

  test('waits no longer when it wants nothing any more', () => {
    const brains = busy()
    brains.tick(200)
    brains.want('poor', 0, onDisk)
    const [asked = 0] = brains.at(0).askedBack
    brains.giveBack('rich', asked)
    expect(heldAt(brains)).toBe(2) // it was the first of those that are wanted
  })
})

describe('a class that is bound to another node', () => {
  test('waits there and is granted as that node has room, until it wants no more', () => {
    const brains = cpus(4, 1)
    brains.driver('d')
    brains.want('d', 3, bound(brains, 1))
    expect(freeOf(brains)).toEqual([4, 0])
    const [first = 0] = brains.at(0).held.keys()
    brains.want('d', 2, bound(brains, 1))
    brains.giveBack('d', first)
    expect(heldAt(brains)).toBe(1)
    brains.want('d', 0, bound(brains, 1))
    for (const leaseId of [...brains.at(0).held.keys()]) brains.giveBack('d', leaseId)
    expect(brains.isIdle()).toBe(true)
  })

  test('is told again what it wants after the connection broke', () => {
    const brains = cpus(4, 1)
    brains.driver('d')
    brains.want('d', 1, bound(brains, 1))
    brains.breakLink(1)
    expect(brains.at(0).broken).toHaveLength(1)
    brains.tick(1_000)
    brains.tick(10_000)
    expect(heldAt(brains)).toBe(1)
  })

  test('fails when that node dies, and goes elsewhere when it is soft', () => {
    const brains = cpus(4, 1)
    brains.driver('d')
    brains.want('d', 1, bound(brains, 1))
    brains.driver('e')
    brains.want('e', 1, bound(brains, 1, true))
    brains.die(1)
    expect(brains.at(0).refused).toHaveLength(1)
    expect(brains.at(0).refused[0]).toContain('is bound to a node that cannot take it')
    brains.tick(1_000)
    expect(heldAt(brains)).toBe(1)
  })
})

describe('OL6: a node that refuses a class for good', () => {
  test('is asked no more, and others are', () => {
    const brains = cpus(1, 4, 4)
    brains.driver('d')
    brains.want('d', 3, { demand: units({ CPU: 3 }) })
    brains.refuseGuests(1, 'its workers cannot start')
    expect(brains.at(0).refused).toEqual([])
    for (const leaseId of [...brains.at(0).held.keys()]) brains.giveBack('d', leaseId)
    brains.tick(5_000)
    expect(freeOf(brains)).toEqual([1, 4, 1])
    expect(heldAt(brains)).toBe(1)
  })

  test('fails it when no other can hold it', () => {
    const brains = cpus(1, 4)
    brains.driver('d')
    brains.want('d', 2, { demand: units({ CPU: 3 }) })
    brains.refuseGuests(1, 'its workers cannot start')
    expect(brains.at(0).refused).toEqual(['its workers cannot start'])
  })

  test('fails what is bound there, unless it is soft', () => {
    for (const soft of [false, true]) {
      const brains = cpus(4, 1)
      brains.driver('d')
      brains.want('d', 2, bound(brains, 1, soft))
      brains.refuseGuests(1, 'it leaves')
      expect(brains.at(0).refused).toEqual(soft ? [] : ['it leaves'])
      expect(brains.free(0)).toBe(soft ? 3 : 4)
    }
  })
})

describe('OL5: a node that does not answer', () => {
  const heldOnceItAnswers = (brains: SeveralBrains): number => {
    brains.suspect(1, false)
    brains.tick(0)
    return heldAt(brains)
  }

  test('is what fits only there waits for, also when asked for meanwhile', () => {
    const brains = cpus(1, 4)
    const demand = units({ CPU: 3 })
    brains.driver('d')
    brains.want('d', 2, { demand })
    brains.suspect(1, true)
    brains.driver('e')
    brains.want('e', 1, { demand })
    const [first = 0] = brains.at(0).held.keys()
    brains.giveBack('d', first)
    brains.tick(5_000)
    expect(brains.at(0).refused).toEqual([])
    expect(heldAt(brains)).toBe(0)
    expect(heldOnceItAnswers(brains)).toBe(1)
  })

  test('is what is bound there waits for', () => {
    const brains = cpus(4, 1)
    brains.driver('d')
    brains.suspect(1, true)
    brains.want('d', 1, bound(brains, 1))
    brains.breakLink(1)
    brains.tick(5_000)
    expect(brains.at(0).refused).toEqual([])
    expect(heldOnceItAnswers(brains)).toBe(1)
  })

  test('is asked for nothing that fits elsewhere, whatever is given back there', () => {
    const brains = cpus(1, 2)
    brains.driver('d')
    brains.want('d', 3)
    brains.suspect(1, true)
    const remote = [...brains.at(0).state.remoteLeases.keys()]
    const before = brains.askedCount
    for (const leaseId of remote) brains.giveBack('d', leaseId)
    brains.tick(5_000)
    expect(brains.askedCount).toBe(before)
    expect(heldOnceItAnswers(brains)).toBe(3)
  })

  test('fails what fits only there once it is dead', () => {
    const brains = cpus(1, 4)
    brains.driver('d')
    brains.suspect(1, true)
    brains.want('d', 1, { demand: units({ CPU: 3 }) })
    expect(brains.at(0).refused).toEqual([])
    brains.die(1)
    expect(brains.at(0).refused[0]).toContain('can never run here')
  })
})

describe('when nodes and processes end', () => {
  test('GU2: no guest stays where who asked had given up before the answer came', () => {
    const brains = cpus(0, 1)
    brains.at(1).answersLate = true
    brains.driver('d')
    brains.want('d', 1)
    expect([...brains.at(1).state.clients.keys()]).toContain('d')
    brains.leave('d')
    expect([...brains.at(1).state.clients.keys()]).not.toContain('d')
    expect(brains.isIdle()).toBe(true)
  })

  test('GU4, F21: asked again for a lease that it is about to give, a node gives that one', () => {
    const brains = cpus(1, 4)
    brains.at(1).answersLate = true
    brains.at(1).startsWorkers = false
    brains.driver('d')
    brains.want('d', 2)
    expect(heldAt(brains)).toBe(1)
    for (let second = 1; second <= 5; second += 1) {
      brains.tick(1_000)
      expect(brains.at(1).state.leases.size).toBe(1)
    }
    expect(brains.askedCount).toBeGreaterThan(2)
    brains.at(1).answersLate = false
    brains.want('d', 4)
    brains.tick(1_000)
    expect(brains.at(1).state.leases.size).toBe(3)
  })

  test('OL1: leases break with the connection, at both ends, and work goes elsewhere', () => {
    const brains = cpus(1, 1, 1)
    brains.driver('d')
    brains.want('d', 3)
    brains.breakLink(1)
    expect(brains.at(0).broken.map(({ exit }) => exit.cause)).toEqual(['NODE_LOST'])
    expect(brains.at(1).state.leases.size).toBe(0)
    brains.die(2)
    expect(brains.at(0).broken).toHaveLength(2)
    brains.tick(5_000) // the worker that it had there is killed, and another one is started
    expect(brains.at(0).held.size).toBeGreaterThanOrEqual(1)
  })

  test('GU2, GU3: what a driver held elsewhere ends with it, and its job there', () => {
    const brains = cpus(1, 2, 2)
    brains.driver('d')
    brains.want('d', 5)
    brains.leave('d')
    brains.tick(10_000)
    expect(brains.isIdle()).toBe(true)
    expect(freeOf(brains)).toEqual([1, 2, 2])
    for (const { state } of brains.nodes) {
      expect([...state.clients.values()].filter(({ link }) => link !== undefined)).toEqual([])
      expect([...state.jobs.values()].filter(({ endedAtMs }) => endedAtMs === undefined)).toEqual(
        [],
      )
    }
  })

  test('OL2: a lease that lapses before it has a worker is asked for anew', () => {
    const brains = cpus(1, 1, 1)
    brains.suspect(2, true)
    brains.at(1).startsWorkers = false
    brains.driver('d')
    brains.want('d', 2)
    expect(heldAt(brains)).toBe(1)
    expect(brains.at(1).state.leases.size).toBe(1)
    brains.suspect(2, false)
    brains.tick(0)
    expect(brains.askedCount).toBe(1) // what is on its way is not asked for twice
    brains.send(brains.at(1), { kind: 'drain', graceMs: 0 })
    brains.settle()
    expect(brains.at(1).state.leases.size).toBe(0)
    expect(heldAt(brains)).toBe(2)
  })
})

describe('what waits says for which node', () => {
  const rowsAt = (brains: SeveralBrains, node: number): StateRow[] =>
    whyRows(brains.at(node).state, brains.nowMs)
  const why = (brains: SeveralBrains): unknown[] => rowsAt(brains, 0).map((row) => row['why'])
  const large = { demand: units({ CPU: 3 }) }

  test('where only another one can hold it', () => {
    const brains = cpus(2, 4)
    brains.driver('d')
    brains.want('d', 2, large)
    const { id } = brains.at(1)
    expect(why(brains)).toEqual([`waits for node ${id}: needs CPU: 3, 1 free there`])
    brains.suspect(1, true)
    expect(why(brains)).toEqual([
      `waits for node ${id}, which does not answer or has refused it just now`,
    ])
  })

  test('where it is bound to another one, though there is room here', () => {
    const brains = cpus(2, 1)
    brains.driver('d')
    const { id: nodeId } = brains.at(1)
    brains.want('d', 2, { strategy: { kind: 'NODE_AFFINITY', nodeId, soft: false } })
    expect(why(brains)).toEqual([`waits for node ${nodeId}, in turn there`])
    // There it is a guest, which its home tells already.
    expect(rowsAt(brains, 1)).toEqual([])
  })

  test('where several can hold it, and where only this one can', () => {
    const brains = cpus(4, 4, 1)
    brains.driver('d')
    brains.want('d', 3, large)
    expect(why(brains)).toEqual([
      'needs CPU: 3, which none of the 2 nodes that can hold it has free',
    ])
    brains.die(1)
    brains.tick(1_000)
    expect(why(brains)).toEqual([`waits for node ${brains.at(0).id}: needs CPU: 3, 1 free there`])
  })

  test('what another node is asked for, and not the one where its first waits in turn', () => {
    const brains = cpus(1, 2, 2)
    brains.driver('rich')
    brains.want('rich', 2, { demand: units({ CPU: 2 }) })
    brains.driver('poor')
    brains.want('poor', 3, { demand: units({ CPU: 2 }) })
    brains.tick(200)
    const { state } = brains.at(0)
    const poor = [...state.clients.values()].flatMap(({ classes }) => [...classes.values()]).at(-1)
    const other = [1, 2].find((index) => brains.at(index).id !== poor?.waitsAt) ?? 0
    const { id } = brains.at(other)
    brains.at(other).startsWorkers = false
    const leases = [...state.remoteLeases.values()]
    const there = leases.find(({ nodeId }) => nodeId === id)?.leaseId ?? 0
    brains.want('rich', 1, { demand: units({ CPU: 2 }) })
    brains.giveBack('rich', there)
    expect(rowsAt(brains, 0)).toMatchObject([
      { count: 2, why: 'needs CPU: 2, which none of the 2 nodes that can hold it has free' },
      { count: 1, why: `asked of node ${id}: no answer yet` },
    ])
  })

  test('what another node starts a worker for is told once, and apart from what has no node', () => {
    const brains = cpus(1, 1)
    brains.at(1).startsWorkers = false
    brains.driver('d')
    brains.want('d', 3)
    expect(rowsAt(brains, 0)).toMatchObject([
      { count: 1, why: 'needs CPU: 1, which none of the 2 nodes that can hold it has free' },
      { count: 1, why: `asked of node ${brains.at(1).id}: no answer yet` },
    ])
    expect(rowsAt(brains, 1)).toEqual([])
  })
})
