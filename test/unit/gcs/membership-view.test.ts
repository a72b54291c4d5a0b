// The view of the members: what is read of a change, and what a mass start may cost.
import { describe, expect, test } from 'vitest'
import { MembershipView, type ToRead } from '../../../runtime/gcs/membership-view.ts'
import {
  CHANGES_MAX,
  type MembershipChange,
  type NodeState,
} from '../../../runtime/gcs/membership-changes.ts'
import type { Membership, NodeRow } from '../../../runtime/gcs/nodes.ts'
import { seededRandom } from '../../support/seeded.ts'

const idOf = (index: number): string => `n${String(index)}`
const node = (nodeId: string, fields: Partial<NodeRow> = {}): NodeRow => ({
  nodeId,
  address: `tcp://${nodeId}`,
  pid: 1,
  totals: {},
  labels: {},
  epoch: 1,
  state: 'ALIVE',
  heartbeat: 0,
  commands: [],
  lastCommand: 0,
  doneCommand: 0,
  death: undefined,
  ...fields,
})

/** The row after nodes 1 to `version` have joined. */
function joined(version: number): Membership {
  const first = Math.max(1, version - CHANGES_MAX + 1)
  const changes = Array.from({ length: version - first + 1 }, (_, index): MembershipChange => {
    const at = first + index
    return { version: at, nodeId: idOf(at), epoch: 1, state: 'ALIVE' }
  })
  return { clusterEpoch: 'c', version, changes }
}

/** A look whose reads succeed. */
function read(view: MembershipView, membership: Membership, nowMs: number): ToRead | undefined {
  const toRead = view.membership(membership, nowMs)
  if (toRead === undefined || toRead.kind === 'LATER') return undefined
  view.caughtUp(toRead, nowMs)
  return toRead
}

describe('the view', () => {
  test('reads all rows at first, then only those that have changed, then nothing', () => {
    const view = new MembershipView(seededRandom(1))
    const changed = { version: 7, kind: 'NODES', nodeIds: ['n6', 'n7'] }
    expect(read(view, joined(5), 0)).toEqual({ version: 5, kind: 'ALL' })
    expect(read(view, joined(7), 4000)).toEqual(changed)
    expect(read(view, joined(7), 8000)).toBeUndefined()
    expect(read(view, joined(6), 8000)).toBeUndefined() // stale
  })

  test('MV1: that a known node has died costs no read, but for the one that has come back since', () => {
    const view = new MembershipView(seededRandom(1))
    for (const nodeId of ['n1', 'n2', 'n3']) view.learn(node(nodeId))
    read(view, joined(5), 0)
    const died = (version: number, nodeId: string, left?: true): MembershipChange => ({
      ...{ version, nodeId, epoch: 1, state: 'DEAD', ...(left === undefined ? {} : { left }) },
    })
    const changes: MembershipChange[] = [
      ...[died(6, 'n1'), died(7, 'n2', true), died(8, 'n3'), died(9, 'stranger')],
      { version: 10, nodeId: 'n3', epoch: 2, state: 'ALIVE' },
    ]
    const toRead = read(view, { clusterEpoch: 'c', version: 10, changes }, 4000)
    expect(toRead).toMatchObject({ kind: 'NODES', nodeIds: ['stranger', 'n3'] })
    expect(view.living()).toEqual([])
    expect(view.get('n1')?.death).toMatch(/lease expire/)
    expect(view.get('n2')?.death).toBe('it was shut down')
  })

  test('MV1: nor does the drain of one that is known, nor the arrival of one that is', () => {
    const view = new MembershipView(seededRandom(1))
    for (const nodeId of ['n1', 'n2', 'n3']) view.learn(node(nodeId, { heartbeat: 7 }))
    read(view, joined(3), 0)
    view.learn(node('n4'))
    const changes: MembershipChange[] = [
      { version: 4, nodeId: 'n4', epoch: 1, state: 'ALIVE' },
      { version: 5, nodeId: 'n1', epoch: 1, state: 'DRAINING' },
    ]
    expect(read(view, { clusterEpoch: 'c', version: 5, changes }, 4000)).toMatchObject({
      nodeIds: [],
    })
    view.learn(node('n1', { heartbeat: 8 })) // by one that does not know it yet
    expect(view.get('n1')?.state).toBe('DRAINING')
  })

  test('MV1: who has fallen behind learns at once what the row names, and reads all rows later', () => {
    const view = new MembershipView(seededRandom(1))
    for (const nodeId of ['n1', 'n2']) view.learn(node(nodeId))
    read(view, joined(2), 0)
    const changes: MembershipChange[] = [{ version: 9, nodeId: 'n1', epoch: 1, state: 'DEAD' }]
    expect(view.membership({ clusterEpoch: 'c', version: 9, changes }, 4000)?.kind).toBe('LATER')
    expect(view.living().map(({ nodeId }) => nodeId)).toEqual(['n2'])
    expect(view.membership({ clusterEpoch: 'c', version: 9, changes }, 60_000)?.kind).toBe('ALL')
  })

  test('MV3: what could not be read is asked for again, all of it or some', () => {
    const view = new MembershipView(seededRandom(1))
    expect(view.membership(joined(5), 0)?.kind).toBe('ALL')
    expect(read(view, joined(5), 4000)?.kind).toBe('ALL')
    expect(view.membership(joined(6), 8000)).toMatchObject({ nodeIds: ['n6'] })
    expect(view.membership(joined(7), 12_000)).toMatchObject({ nodeIds: ['n6', 'n7'] })
  })

  test('who has missed more than the row names reads all, but not again and again', () => {
    const view = new MembershipView(seededRandom(1))
    let full = 0
    let single = 0
    // A thousand nodes join within a minute; this one looks every four seconds.
    for (let look = 0; look <= 20; look++) {
      const toRead = read(view, joined(Math.min(1000, 100 + look * 60)), look * 4000)
      if (toRead?.kind === 'ALL') full += 1
      else single += toRead?.nodeIds.length ?? 0
    }
    expect(full).toBeLessThanOrEqual(3)
    expect(single).toBeLessThanOrEqual(2 * CHANGES_MAX)
    expect(view.membership(joined(1000), 200_000)).toBeUndefined()
  })

  test('MV1: of a thousand that fall behind at once, each reads all rows within five looks', () => {
    const random = seededRandom(2)
    const readAt = Array.from({ length: 1000 }, () => {
      const view = new MembershipView(random)
      read(view, joined(1000), 0)
      for (let index = 1; index <= 1000; index++) view.learn(node(idOf(index)))
      const behind = joined(1000 + 2 * CHANGES_MAX)
      for (let look = 0; look < 5; look++) {
        if (read(view, behind, 60_000 + look * 4000)?.kind === 'ALL') return look
      }
      return Infinity
    })
    for (let look = 0; look < 5; look++) {
      const reading = readAt.filter((at) => at === look)
      expect(Math.abs(reading.length - 200), `look ${String(look)}`).toBeLessThan(50)
    }
  })

  test('MV1: of a small cluster who has fallen behind reads all rows at once', () => {
    const view = new MembershipView(seededRandom(3))
    read(view, joined(100), 0)
    for (let index = 1; index <= 100; index++) view.learn(node(idOf(index)))
    expect(read(view, joined(100 + 2 * CHANGES_MAX), 60_000)?.kind).toBe('ALL')
  })

  test('an older epoch or heartbeat changes nothing, and death is final for its epoch', () => {
    const view = new MembershipView(seededRandom(1))
    const seen = (): [number, NodeState] | undefined => {
      const known = view.get('a')
      return known && [known.epoch, known.state]
    }
    view.learn(node('a', { epoch: 2, heartbeat: 5 }))
    view.learn(node('a', { epoch: 1, heartbeat: 9, state: 'DEAD' }))
    view.learn(node('a', { epoch: 2, heartbeat: 4, state: 'DRAINING' }))
    expect(seen()).toEqual([2, 'ALIVE'])
    view.learn(node('a', { epoch: 2, heartbeat: 5, state: 'DEAD' }))
    view.learn(node('a', { epoch: 2, heartbeat: 7 }))
    expect(seen()).toEqual([2, 'DEAD'])
    expect(view.living()).toEqual([])
    view.learn(node('a', { epoch: 3 }))
    expect(view.living().map(({ epoch }) => epoch)).toEqual([3])
  })
})
