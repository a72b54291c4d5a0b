// Who watches whom, and what a watcher does about what it sees: events in, effects out.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  GONE_MS,
  HEARTBEAT_MS,
  LEASE_MARGIN_MS,
  LEASE_MS,
  OBSERVATION_GAP_MS,
  OBSERVE_EVERY_MS,
  PING_MS,
  SUSPICION_MS,
} from '../../../runtime/gcs/lease-terms.ts'
import { LeaseObserver, OwnLease } from '../../../runtime/gcs/lease.ts'
import { rendezvous } from '../../../runtime/gcs/rendezvous.ts'
import { WatchPlan } from '../../../runtime/gcs/watch-plan.ts'
import { Watcher, type WatcherEffect } from '../../../runtime/gcs/watcher.ts'

const idsOf = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `node${String(index)}`)

describe('rendezvous', () => {
  test('whoever asks gets the same, in whatever order the candidates come', () => {
    const ids = idsOf(20)
    expect(rendezvous('x', ids, 3)).toEqual(rendezvous('x', ids.toReversed(), 3))
  })

  test('when one leaves, only its things move', () => {
    const ids = idsOf(20)
    for (const key of idsOf(100)) {
      const [first, ...others] = rendezvous(key, ids, 3)
      const left = ids.filter((id) => id !== first)
      expect(rendezvous(key, left, 2)).toEqual(others)
    }
  })

  test('things are spread evenly over the candidates', () => {
    const counts = new Map<string, number>()
    for (const key of idsOf(10_000)) {
      const [first = ''] = rendezvous(key, idsOf(10), 1)
      counts.set(first, (counts.get(first) ?? 0) + 1)
    }
    expect(counts.size).toBe(10)
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150)
  })
})

test('a plan kept up to date is the plan made anew, and nobody watches itself', () => {
  const sets = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 30 }), { maxLength: 25 }))
  fc.assert(
    fc.property(sets, (steps) => {
      const plan = new WatchPlan()
      for (const step of steps) {
        const ids = step.map((id) => `node${String(id)}`)
        const kept = plan.update(ids)
        expect(kept).toEqual(new WatchPlan().update(ids))
        for (const [id, watchers] of kept) {
          expect(watchers).not.toContain(id)
          expect(watchers).toHaveLength(Math.min(3, ids.length - 1))
        }
      }
    }),
  )
})

describe('leases', () => {
  test('the terms fit each other', () => {
    expect(LEASE_MS).toBeGreaterThan(3 * HEARTBEAT_MS * 1.125)
    expect(OBSERVATION_GAP_MS).toBeGreaterThan(OBSERVE_EVERY_MS + PING_MS)
    expect(OBSERVATION_GAP_MS).toBeLessThan(LEASE_MS)
    expect(SUSPICION_MS).toBeGreaterThan(2 * PING_MS)
    expect(GONE_MS).toBeGreaterThan(2 * PING_MS)
  })

  test('GL1: the holder stops before an observer of its last heartbeat can end the lease', () => {
    const own = new OwnLease()
    own.confirmed(1000)
    expect(own.isValid(1000 + LEASE_MS - LEASE_MARGIN_MS - 1)).toBe(true)
    expect(own.isValid(1000 + LEASE_MS - LEASE_MARGIN_MS)).toBe(false)
    own.confirmed(500) // an answer that came late ends nothing
    expect(own.isValid(1000 + LEASE_MS - LEASE_MARGIN_MS - 1)).toBe(true)
  })

  const observed = (reads: readonly [heartbeat: number | 'failed', atMs: number][]): boolean[] => {
    const observer = new LeaseObserver()
    return reads.map(([heartbeat, atMs]) => {
      if (heartbeat !== 'failed') return observer.read(heartbeat, atMs, atMs + 1)
      observer.failed()
      return false
    })
  }
  const still = (count: number, startMs = 0): [number, number][] =>
    Array.from({ length: count }, (_, index) => [7, startMs + index * 3000])

  test('expire when the row stood still for all of the term', () => {
    expect(observed(still(7)).at(-1)).toBe(true)
    expect(observed(still(6)).at(-1)).toBe(false)
  })

  test('GL2: a heartbeat, a failed read or a gap starts the observation anew', () => {
    expect(observed([...still(6), [8, 18_000], [8, 21_000]])).not.toContain(true)
    expect(observed([...still(6), ['failed', 18_000], [7, 19_000], [7, 22_000]])).not.toContain(
      true,
    )
    expect(observed([...still(6), [7, 30_000], [7, 33_000]])).not.toContain(true)
  })

  test('GL2, F33: a read that was repeated through an outage is a gap as well', () => {
    const observer = new LeaseObserver()
    expect(observer.read(7, 0, 1)).toBe(false)
    expect(observer.read(7, 2000, LEASE_MS)).toBe(false)
    const anewMs = LEASE_MS + 2001
    for (let askedMs = anewMs - 1; askedMs < anewMs + LEASE_MS; askedMs += 2000) {
      expect(observer.read(7, askedMs, askedMs + 1)).toBe(false)
    }
    expect(observer.read(7, anewMs + LEASE_MS, anewMs + LEASE_MS + 1)).toBe(true)
  })
})

describe('a watcher', () => {
  const self = 'node0'
  const members = idsOf(4).map((nodeId) => ({ nodeId, epoch: 1 }))
  const target = { nodeId: 'node1', epoch: 1 }
  const others =
    new WatchPlan()
      .update(idsOf(4))
      .get('node1')
      ?.filter((id) => id !== self) ?? []

  function watching(): Watcher {
    const watcher = new Watcher(self)
    watcher.step({ kind: 'members', members }, 0)
    return watcher
  }
  /** Only what concerns the target. */
  const seen = (effects: readonly WatcherEffect[]): string[] =>
    effects
      .filter((effect) => (effect.kind === 'tell' ? effect.suspicion : effect).nodeId === 'node1')
      .map((effect) => {
        if (effect.kind === 'tell') return `tell ${effect.suspicion.gone ? 'gone' : 'back'}`
        return effect.kind === 'suspected' ? `suspected ${String(effect.suspected)}` : effect.kind
      })
  const saysGone = (watcher: Watcher, from: string, nowMs: number, blind = false): void => {
    const suspicion = { ...target, gone: true, blind, stoodAt: undefined }
    watcher.step({ kind: 'suspicion', from, suspicion }, nowMs)
  }

  test('pings its nodes every second', () => {
    const watcher = watching()
    expect(seen(watcher.step({ kind: 'tick' }, 0))).toEqual(['ping'])
    expect(seen(watcher.step({ kind: 'tick' }, PING_MS - 1))).toEqual([])
    expect(seen(watcher.step({ kind: 'tick' }, PING_MS))).toEqual(['ping'])
  })

  test('arrow 1: a refused connection is suspicion at once, and the others are told', () => {
    const watcher = watching()
    expect(seen(watcher.step({ kind: 'refused', ...target }, 10))).toEqual([
      'suspected true',
      'tell gone',
    ])
    expect(seen(watcher.step({ kind: 'tick' }, 2000))).toEqual(['ping', 'tell gone', 'read'])
  })

  /**
   * Ticks each second, and reads of the row that all say the same.
   * @returns when it was declared dead.
   */
  function declaredIn(
    watcher: Watcher,
    { fromMs = 0, toMs, heartbeat = 7 }: { fromMs?: number; toMs: number; heartbeat?: number },
    each: (nowMs: number) => void = () => undefined,
  ): number[] {
    const declared: number[] = []
    for (let nowMs = fromMs; nowMs <= toMs; nowMs += 1000) {
      each(nowMs)
      for (const effect of watcher.step({ kind: 'tick' }, nowMs)) {
        if (effect.kind !== 'read' || effect.nodeId !== 'node1') continue
        const read = { kind: 'read', ...target, heartbeat, askedAtMs: nowMs } as const
        if (seen(watcher.step(read, nowMs)).includes('declareDead')) declared.push(nowMs)
      }
    }
    return declared
  }

  test('WA1: while others answer it declares nothing alone; with one of them the first does (arrow 2)', () => {
    const watcher = watching()
    const othersAnswer = (nowMs: number): void => {
      for (const nodeId of others) watcher.step({ kind: 'pong', nodeId, epoch: 1 }, nowMs)
    }
    expect(declaredIn(watcher, { toMs: 60_000 }, othersAnswer)).toEqual([])
    const [one = ''] = others
    const agreed = declaredIn(watcher, { fromMs: 61_000, toMs: 63_000 }, (nowMs) => {
      othersAnswer(nowMs)
      saysGone(watcher, one, nowMs, true) // blind itself
    })
    expect(agreed).toHaveLength(1)
  })

  test.each([
    { later: 'when it is old', byMs: 0, declared: [] },
    { later: 'and counts to its last moment', byMs: 1, declared: [LEASE_MS] },
  ])('WA2: what another said once is forgotten $later', ({ byMs, declared }) => {
    const watcher = watching()
    watcher.step({ kind: 'refused', ...target }, 0)
    for (const other of others) saysGone(watcher, other, LEASE_MS - SUSPICION_MS + byMs, true)
    expect(declaredIn(watcher, { toMs: 60_000 })).toEqual(declared)
  })

  test('WA4: what it saw counts on when others watch the node, who are told since when it stands', () => {
    const plan = new WatchPlan()
    const all = idsOf(12)
    const before = plan.update(all.slice(0, 4)).get('node1') ?? []
    const after = plan.update(all).get('node1') ?? []
    const [left = ''] = before.filter((id) => !after.includes(id))
    const [fresh = ''] = after.filter((id) => !before.includes(id))
    const watcher = new Watcher(left)
    watcher.step({ kind: 'members', members }, 0)
    watcher.step({ kind: 'refused', ...target }, 0)
    const grown = all.map((nodeId) => ({ nodeId, epoch: 1 }))
    const told: WatcherEffect[] = []
    for (let nowMs = 0; nowMs <= LEASE_MS + 2000; nowMs += 1000) {
      if (nowMs === LEASE_MS / 2) watcher.step({ kind: 'members', members: grown }, nowMs)
      for (const effect of watcher.step({ kind: 'tick' }, nowMs)) {
        told.push(effect)
        if (effect.kind !== 'read' || effect.nodeId !== 'node1') continue
        watcher.step({ kind: 'read', ...target, heartbeat: 7, askedAtMs: nowMs }, nowMs)
      }
    }
    const last = told.findLast((it) => it.kind === 'tell' && it.suspicion.nodeId === 'node1')
    const suspicion = { ...target, gone: true, blind: false, stoodAt: 7 }
    expect(last).toEqual({ kind: 'tell', to: after, suspicion })

    const joined = new Watcher(fresh)
    joined.step({ kind: 'members', members: grown }, 0)
    joined.step({ kind: 'refused', ...target }, 0)
    const hears = (nowMs: number): void => {
      joined.step({ kind: 'suspicion', from: left, suspicion }, nowMs)
    }
    const written = declaredIn(joined, { toMs: 4000, heartbeat: 8 }, hears)
    expect(written, 'it has written its row since').toEqual([])
    expect(declaredIn(joined, { fromMs: 5000, toMs: 8000 }, hears)).not.toEqual([])
  })

  test('WA5: who is not the first of those who agree gives that one the time of a read', () => {
    const watchers = new WatchPlan().update(idsOf(4)).get('node1') ?? []
    const declaredBy = (index: number): number => {
      const agreeing = watchers.filter((_, other) => other !== index)
      const watcher = new Watcher(watchers[index] ?? '')
      watcher.step({ kind: 'members', members }, 0)
      watcher.step({ kind: 'refused', ...target }, 0)
      const [at = Infinity] = declaredIn(watcher, { toMs: 60_000 }, (nowMs) => {
        for (const other of agreeing) saysGone(watcher, other, nowMs)
      })
      return at
    }
    expect(declaredBy(0)).toBe(LEASE_MS)
    expect(declaredBy(1)).toBe(LEASE_MS + OBSERVE_EVERY_MS)
    expect(declaredBy(2)).toBe(LEASE_MS + OBSERVE_EVERY_MS)
  })

  test('arrow 3, then 4: a row that stands still is declared dead; a pong ends all of it', () => {
    const watcher = watching()
    watcher.step({ kind: 'refused', ...target }, 0)
    const declared = declaredIn(watcher, { toMs: 30_000 }, (nowMs) => {
      for (const other of others) saysGone(watcher, other, nowMs, true)
    })
    expect(declared).toEqual([LEASE_MS])
    expect(seen(watcher.step({ kind: 'pong', ...target }, 31_000))).toEqual([
      'suspected false',
      'tell back',
    ])
    expect(seen(watcher.step({ kind: 'tick' }, 31_001))).not.toContain('read')
  })

  test('what comes of an earlier epoch concerns nobody', () => {
    const watcher = watching()
    watcher.step({ kind: 'refused', ...target }, 0)
    const next = members.map((member) => ({ ...member, epoch: 2 }))
    expect(seen(watcher.step({ kind: 'members', members: next }, 1))).toEqual(['suspected false'])
    expect(watcher.step({ kind: 'refused', ...target }, 2)).toEqual([])
  })
})
