// Placement groups over several nodes, as their brains make them: reserved whole, used where the
// bundles are, mended after the loss of a node, and gone without a trace.
import { describe, expect, test } from 'vitest'
import { InfeasibleError, PlacementGroupRemovedError } from '../../../runtime/common/errors.ts'
import type { JobId } from '../../../runtime/common/ids.ts'
import type { GroupSpec } from '../../../runtime/protocol/messages.ts'
import { units } from './brain.ts'
import { SeveralBrains } from './several-brains.ts'

const GROUP = 'aa00000000000000'

function nodes(count: number, cpus = 2): SeveralBrains {
  const several = new SeveralBrains(
    Array.from({ length: count }, () => ({ resources: units({ CPU: cpus }) })),
  )
  several.driver('driver')
  return several
}

function create(several: SeveralBrains, spec: Partial<GroupSpec> = {}, at = 0): number {
  const jobId = 'job of driver' as JobId
  return several.request(at, (request) => ({
    ...{ kind: 'createGroup', client: 'driver' as never, request },
    spec: {
      ...{ groupId: GROUP, jobId, name: 'grp', detached: false, strategy: 'SPREAD' },
      bundles: [units({ CPU: 1 }), units({ CPU: 1 }), units({ CPU: 1 })],
      ...spec,
    },
  }))
}

const ready = (several: SeveralBrains, at = 0, groupId = GROUP): number =>
  several.request(at, (request) => ({ kind: 'awaitGroup', request, groupId }))

const remove = (several: SeveralBrains, at = 0): number =>
  several.request(at, (request) => ({ kind: 'removeGroup', request, groupId: GROUP }))

const free = (several: SeveralBrains): number[] =>
  several.nodes.map((node, index) => (node.cut ? NaN : several.free(index)))

/** Leases that the driver of the first node is to return. */
function askedBack(several: SeveralBrains): number[] {
  const leases = several.nodes.flatMap(({ state }) => [...state.leases.values()])
  const addresses = new Set(
    leases.flatMap(({ reclaimed, worker }) => (reclaimed && worker ? [worker.address] : [])),
  )
  return [...several.at(0).held.values()].flatMap(({ address, leaseId }) =>
    addresses.has(address) ? [leaseId] : [],
  )
}

const inGroup = (bundleIndex = -1) =>
  ({ kind: 'PLACEMENT_GROUP', groupId: GROUP, bundleIndex, captureChildTasks: false }) as const

/** Time passes until `done`, as ticks. */
function pass(several: SeveralBrains, done: () => boolean): void {
  for (let time = 0; time < 200 && !done(); time += 1) several.tick(100)
  expect(done()).toBe(true)
}

describe('a placement group over nodes', () => {
  test('SPREAD takes a bundle of each, and is answered when all are committed', () => {
    const several = nodes(3)
    expect(several.answers.get(create(several))).toBeUndefined()
    const request = ready(several)
    expect(several.answers.has(request)).toBe(true)
    expect(free(several)).toEqual([1, 1, 1])
    expect(several.rows.get(GROUP)).toMatchObject({ state: 'CREATED', attempt: 1 })
  })

  test('STRICT_PACK takes all of one node, PACK as few as it needs', () => {
    const several = nodes(3)
    const bundles = [units({ CPU: 1 }), units({ CPU: 1 })]
    create(several, { strategy: 'STRICT_PACK', bundles })
    expect(free(several).toSorted((a, b) => a - b)).toEqual([0, 2, 2])
    remove(several)
    expect(free(several)).toEqual([2, 2, 2])
    create(several, { strategy: 'PACK', bundles: [...bundles, ...bundles] })
    expect(free(several).toSorted((a, b) => a - b)).toEqual([0, 0, 2])
  })

  test('what no nodes can ever hold is refused at once, with what is nearest', () => {
    const several = nodes(3)
    const refused = (spec: Partial<GroupSpec>): InfeasibleError => {
      const error = several.answers.get(create(several, spec))
      expect(error).toBeInstanceOf(InfeasibleError)
      return error as InfeasibleError
    }
    const four = Array.from({ length: 4 }, () => units({ CPU: 1 }))
    expect(refused({ strategy: 'STRICT_SPREAD', bundles: four }).message).toContain(
      'STRICT_SPREAD needs a node for each of 4 bundles, there are 3 nodes',
    )
    expect(refused({ strategy: 'STRICT_PACK', bundles: four }).message).toContain(
      'one node for all',
    )
    expect(refused({ bundles: [units({ GPU: 1 })] }).message).toContain('GPU')
  })

  test('one that does not fit now holds nothing, and is reserved when it does', () => {
    const several = nodes(2)
    several.want('driver', 4)
    expect(free(several)).toEqual([0, 0])
    const [first = 0] = several.at(0).held.keys()
    create(several, { bundles: [units({ CPU: 1 }), units({ CPU: 1 })], strategy: 'STRICT_SPREAD' })
    const request = ready(several)
    expect(several.answers.has(request)).toBe(false)
    several.want('driver', 2)
    several.giveBack('driver', first)
    const onOther = [...several.at(0).held.values()].find(({ address }) =>
      [...several.at(1).state.workers.values()].some((worker) => worker.address === address),
    )
    several.giveBack('driver', onOther?.leaseId ?? 0)
    pass(several, () => several.answers.has(request))
    expect(free(several)).toEqual([0, 0])
  })

  test('is waited for with leases asked back, on other nodes too', () => {
    const several = nodes(2)
    several.want('driver', 8)
    expect(free(several)).toEqual([0, 0])
    create(several, { bundles: [units({ CPU: 2 }), units({ CPU: 2 })], strategy: 'STRICT_SPREAD' })
    several.tick(150)
    several.tick(150)
    const reclaimed = several.nodes.map(
      ({ state }) => [...state.leases.values()].filter((lease) => lease.reclaimed).length,
    )
    expect(reclaimed).toEqual([2, 2])
  })

  test('has its turn within a second beside small tasks that fill all nodes and never end (HB3)', () => {
    const several = nodes(3)
    several.want('driver', 60, { demand: units({ CPU: 0.2 }) })
    for (const strategy of ['PACK', 'STRICT_SPREAD'] as const) {
      create(several, { strategy, bundles: [units({ CPU: 0.5 }), units({ CPU: 0.5 })] })
      const request = ready(several)
      for (let time = 0; time < 10 && !several.answers.has(request); time += 1) {
        several.tick(100)
        for (const leaseId of askedBack(several)) several.giveBack('driver', leaseId)
      }
      expect(several.answers.has(request), strategy).toBe(true)
      remove(several)
    }
  })

  test('one that gives up waiting at its nodes is held nowhere (HB3, GR4)', () => {
    const several = nodes(2)
    several.want('driver', 4)
    create(several, { strategy: 'STRICT_SPREAD', bundles: [units({ CPU: 2 }), units({ CPU: 2 })] })
    several.tick(300)
    remove(several)
    several.want('driver', 0)
    for (const leaseId of [...several.at(0).held.keys()]) several.giveBack('driver', leaseId)
    expect(free(several)).toEqual([2, 2])
    for (const { state } of several.nodes) expect(state.cluster?.groups.wantedHere.size).toBe(0)
  })

  test('one that needs nodes that others hold for long keeps nothing free there (GT2)', () => {
    const several = nodes(2)
    const small = { strategy: 'SPREAD', bundles: [units({ CPU: 1 }), units({ CPU: 1 })] } as const
    create(several, { groupId: 'before', ...small })
    create(several, { strategy: 'STRICT_SPREAD', bundles: [units({ CPU: 2 }), units({ CPU: 2 })] })
    const isReserved = (groupId: string): boolean => several.answers.has(ready(several, 0, groupId))
    for (let round = 0; round < 50; round += 1) {
      several.tick(100)
      const groupId = `small ${String(round)}`
      create(several, { groupId, ...small })
      expect(isReserved(groupId)).toBe(true)
      several.request(0, (request) => ({ kind: 'removeGroup', request, groupId }))
    }
    expect(isReserved(GROUP)).toBe(false)
  })

  test('its work goes where its bundles are, and no further', () => {
    const several = nodes(3)
    create(several)
    several.want('driver', 9, { strategy: inGroup() })
    expect(several.at(0).held.size).toBe(3)
    expect(several.nodes.map(({ state }) => state.leases.size)).toEqual([1, 1, 1])
    several.want('driver', 0)
    for (const leaseId of [...several.at(0).held.keys()]) several.giveBack('driver', leaseId)
    expect(several.isIdle()).toBe(true)
    expect(free(several)).toEqual([1, 1, 1])
  })

  test('work of one bundle waits on its node, in turn there', () => {
    const several = nodes(3)
    create(several)
    const places = several.rows.get(GROUP)?.places ?? []
    const at = several.nodes.findIndex(({ id }) => id === places[2]?.nodeId)
    several.want('driver', 2, { strategy: inGroup(2) })
    expect(several.at(at).state.leases.size).toBe(1)
    const [first = 0] = several.at(0).held.keys()
    several.giveBack('driver', first)
    expect(several.at(0).held.size).toBe(1)
    expect(several.at(at).state.leases.size).toBe(1)
  })

  test('with several holders, no more leases are kept than are wanted', () => {
    const several = nodes(3)
    create(several)
    several.want('driver', 1, { strategy: inGroup() })
    expect(several.at(0).held.size).toBe(1)
    expect(several.nodes.map(({ state }) => state.leases.size).toSorted((a, b) => a - b)).toEqual([
      0, 0, 1,
    ])
  })

  test('removal gives all back everywhere, and its work fails by name', () => {
    const several = nodes(3)
    create(several)
    several.want('driver', 3, { strategy: inGroup() })
    remove(several)
    expect(free(several)).toEqual([2, 2, 2])
    expect(several.rows.size).toBe(0)
    expect(several.at(0).refused[0]).toContain('placement group that was removed')
    for (const node of several.nodes) expect(node.state.groups.size).toBe(0)
  })

  test('a handle finds its group on another node, waits there and removes it from there', () => {
    const several = nodes(3)
    several.driver('other', 2)
    create(several)
    const request = ready(several, 2)
    expect(several.answers.has(request)).toBe(true)
    several.want('other', 1, { strategy: inGroup(0) }, 2)
    expect(several.at(2).held.size).toBe(1)
    remove(several, 2)
    expect(free(several)).toEqual([2, 2, 2])
    const late = ready(several, 1)
    pass(several, () => several.answers.has(late))
    expect(several.answers.get(late)).toBeInstanceOf(PlacementGroupRemovedError)
  })

  test('who is late where it is known to be removed hears so at once', () => {
    const several = nodes(3)
    create(several)
    remove(several)
    for (const at of [0, 1, 2]) {
      expect(several.answers.get(ready(several, at))).toBeInstanceOf(PlacementGroupRemovedError)
      expect(several.answers.has(remove(several, at))).toBe(true)
    }
    several.want('driver', 1, { strategy: inGroup() })
    expect(several.at(0).refused[0]).toContain('placement group that was removed')
  })

  test('a handle that arrives before the group has its row waits for it', () => {
    const several = nodes(2)
    const request = ready(several, 1)
    expect(several.answers.has(request)).toBe(false)
    create(several, { strategy: 'PACK' })
    pass(several, () => several.answers.has(request))
    expect(several.answers.get(request)).toBeUndefined()
  })

  test('when a node dies its bundles are placed anew, and the others stay', () => {
    const several = nodes(4)
    create(several, { strategy: 'STRICT_SPREAD' })
    const before = several.rows.get(GROUP)?.places ?? []
    const lost = several.nodes.findIndex(
      ({ id }, index) => index > 0 && before.some((place) => place?.nodeId === id),
    )
    const lostId = several.at(lost).id
    several.die(lost)
    pass(several, () => several.rows.get(GROUP)?.state === 'CREATED')
    const after = several.rows.get(GROUP)?.places ?? []
    for (const [index, place] of before.entries()) {
      if (place?.nodeId === lostId) expect(after[index]?.nodeId).not.toBe(lostId)
      else expect(after[index]).toEqual(place)
    }
    expect(new Set(after.map((place) => place?.nodeId)).size).toBe(3)
    expect(several.answers.has(ready(several))).toBe(true)
  })

  test('one that can never be whole again says so, and is mended when a node comes', () => {
    const several = nodes(3)
    create(several, { strategy: 'STRICT_SPREAD' })
    const waits = ready(several)
    expect(several.answers.has(waits)).toBe(true)
    several.die(2)
    pass(several, () => several.answers.get(ready(several)) instanceof InfeasibleError)
    expect(several.at(0).state.groups.get(GROUP)?.state).toBe('RESCHEDULING')
    const places = several.rows.get(GROUP)?.places ?? []
    const lost = places.findIndex((place) => place === null)
    several.want('driver', 1, { strategy: inGroup(lost) })
    expect(several.at(0).refused[0]).toContain('lost with their node')
    expect(several.at(0).refused[0]).toContain('a node for each of 3 bundles, there are 2 nodes')
    several.want('driver', 1, { strategy: inGroup() })
    expect(several.at(0).held.size).toBe(1)
  })

  test('bundles of a node that drains are had elsewhere, and what runs there goes on', () => {
    const several = nodes(4)
    create(several, { strategy: 'STRICT_SPREAD' })
    several.want('driver', 3, { strategy: inGroup() })
    const before = several.rows.get(GROUP)?.places ?? []
    const at = several.nodes.findIndex(
      ({ id }, index) => index > 0 && before.some((place) => place?.nodeId === id),
    )
    several.drain(at)
    const { id, state } = several.at(at)
    const places = () => several.rows.get(GROUP)?.places ?? []
    pass(several, () => places().every((place) => place !== null && place.nodeId !== id))
    expect(state.leases.size).toBe(1)
    expect(several.at(0).broken).toEqual([])
    remove(several)
    expect(state.leases.size).toBe(1) // until its worker has gone
    expect(state.groups.size).toBe(0)
  })

  test('the end of its coordinator leaves nothing taken', () => {
    const several = nodes(3)
    several.driver('other', 1)
    create(several)
    several.die(0)
    expect(several.free(1)).toBe(2)
    expect(several.free(2)).toBe(2)
    expect(several.rows.size).toBe(0)
  })

  test('a detached one is taken over by one node, which alone mends it', () => {
    const several = nodes(4)
    create(several, { detached: true, strategy: 'STRICT_SPREAD' })
    several.die(0)
    const row = () => several.rows.get(GROUP)
    pass(several, () => row()?.state === 'CREATED' && row()?.term === 1)
    const coordinating = several.nodes.filter(
      ({ cut, state }) => !cut && state.cluster?.groups.coordinated.has(GROUP) === true,
    )
    expect(coordinating).toHaveLength(1)
    expect(row()?.nodeId).toBe(coordinating[0]?.id)
    pass(several, () => free(several).slice(1).join() === '1,1,1')
    const at = several.nodes.findIndex((node) => !node.cut && node !== coordinating[0])
    const request = remove(several, at)
    pass(several, () => several.answers.has(request))
    expect(free(several).slice(1)).toEqual([2, 2, 2])
  })

  test.each([1, 2, 3])(
    'a detached one that is removed while a node is found for it: who asks node %i is answered',
    (at) => {
      const several = nodes(4)
      create(several, { detached: true, strategy: 'STRICT_SPREAD' })
      several.dies(0)
      const request = remove(several, at)
      pass(several, () => several.answers.has(request))
      expect(several.answers.get(request)).toBeUndefined()
      pass(several, () => free(several).slice(1).join() === '2,2,2')
    },
  )

  test('DG1: a detached one that lay on its coordinator alone outlives that, and its job', () => {
    const several = nodes(4)
    create(several, { detached: true, strategy: 'STRICT_PACK', bundles: [units({ CPU: 2 })] })
    const row = () => several.rows.get(GROUP)
    pass(several, () => row()?.state === 'CREATED')
    expect(row()?.places).toMatchObject([{ nodeId: several.at(0).id }])
    several.leave('driver')
    several.die(0)
    pass(several, () => row()?.state === 'CREATED' && row()?.term === 1)
    const request = ready(several, 3)
    pass(several, () => several.answers.has(request))
    const gone = remove(several, 2)
    pass(several, () => several.answers.has(gone))
    pass(several, () => free(several).slice(1).join() === '2,2,2')
    const knowing = several.nodes.filter(({ cut, state }) => !cut && state.groups.size > 0)
    expect(knowing).toEqual([])
  })

  test('a detached one of which no node is left is placed anew for who asks for it next', () => {
    const several = nodes(3)
    create(several, { detached: true, bundles: [units({ CPU: 1 }), units({ CPU: 1 })] })
    const holders = (): (string | undefined)[] =>
      several.rows.get(GROUP)?.places.map((place) => place?.nodeId) ?? []
    const lost = [several.at(0).id, several.at(1).id]
    expect(new Set(holders())).toEqual(new Set(lost))
    several.die(0)
    several.die(1)
    const request = ready(several, 2)
    pass(several, () => several.answers.has(request))
    expect(several.answers.get(request)).toBeUndefined()
    expect(new Set(holders())).toEqual(new Set([several.at(2).id]))
    expect(several.free(2)).toBe(0)
  })

  test('one made by a task on another node is coordinated where its job is driven', () => {
    const several = nodes(2)
    several.want('driver', 3)
    create(several, { bundles: [units({ CPU: 1 })] }, 1)
    expect(several.at(0).state.cluster?.groups.coordinated.has(GROUP)).toBe(true)
    const request = ready(several, 1)
    pass(several, () => several.answers.has(request))
  })

  test('ends with the job of its maker on every node', () => {
    const several = nodes(3)
    create(several)
    several.leave('driver')
    expect(free(several)).toEqual([2, 2, 2])
    expect(several.rows.size).toBe(0)
  })
})
