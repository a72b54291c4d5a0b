// The brain of the store: stories told event by event, and random programs against a model.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CapacityError } from '../../../runtime/common/errors.ts'
import type { StoreEffect, StoreOptions } from '../../../runtime/objects/store-entry.ts'
import { nextTimerAtMs, step } from '../../../runtime/objects/store-state.ts'
import { scaled } from '../../support/scale.ts'
import { seeded } from '../../support/seeded.ts'
import { MIB, OPTIONS, Story, errorOf, isSpill, typesOf } from './store-story.ts'
import { type Draw, play } from './store-world.ts'

describe('the store: an object', () => {
  it('is created, sealed, pinned, unpinned and freed', () => {
    const story = new Story()
    expect(story.create('a')).toMatchObject([{ type: 'created', place: { offset: 0 } }])
    expect(typesOf(story.seal('a'))).toEqual(['sealed'])
    expect(story.pin('a')).toMatchObject([{ type: 'pinned', place: { offset: 0, sizeBytes: MIB } }])
    story.unpin('a')
    story.free('a')
    expect(story.state.arena.allocatedBytes).toBe(0)
  })

  it('cannot be pinned before it is sealed, nor after it was freed (B26)', () => {
    const story = new Story()
    story.create('a')
    const unsealed = errorOf(story.pin('a'))
    story.seal('a')
    story.free('a')
    const freed = errorOf(story.pin('a'))
    const forged = errorOf(story.pin('b'))
    for (const error of [unsealed, freed, forged]) {
      expect(error).toMatchObject({ code: 'ERR_OBJECT_NOT_FOUND' })
      expect(error).toHaveProperty('message', (forged as Error).message)
    }
  })

  it('keeps its memory while pinned after it was freed', () => {
    const story = new Story()
    story.put('a')
    story.pin('a')
    story.free('a')
    story.free('a')
    expect(story.state.arena.allocatedBytes).toBe(MIB)
    story.unpin('a')
    expect(story.state.arena.allocatedBytes).toBe(0)
  })

  it.each([
    ['sealed', true],
    ['not sealed', false],
  ])(
    'stays where it was made after its id was freed, which is told late (MF3): %s',
    (_, isSealed) => {
      const story = new Story()
      story.put('a')
      story.nowMs = 10_000
      story.create('b')
      if (isSealed) story.seal('b')
      story.tell({ type: 'free', ids: ['a', 'b'], agesMs: [5_000, 5_000] })
      if (!isSealed) story.seal('b')
      expect([...story.state.sealed.keys()]).toEqual(['b'])
    },
  )

  it('keeps its memory until each client has unpinned as often as it pinned', () => {
    const story = new Story()
    story.put('a')
    for (const clientId of ['x', 'x', 'y']) story.pin('a', clientId)
    story.free('a')
    story.unpin('a', 'x')
    story.unpin('a', 'y')
    expect(story.state.arena.allocatedBytes).toBe(MIB)
    story.unpin('a', 'x')
    expect(story.state.arena.allocatedBytes).toBe(0)
  })

  it('is let go by a client whose process has exited, sealed or not', () => {
    const story = new Story()
    story.put('a', MIB, 'maker')
    story.pin('a', 'maker')
    story.free('a')
    story.create('b', MIB, 'maker')
    story.exit('maker')
    expect(story.state.arena.allocatedBytes).toBe(0)
    expect(errorOf(story.seal('b'))).toMatchObject({ code: 'ERR_OBJECT_NOT_FOUND' })
  })

  it('is gone once it is sealed when it was freed before', () => {
    const story = new Story()
    story.create('a')
    story.free('a')
    expect(typesOf(story.seal('a'))).toEqual(['sealed'])
    expect(story.state.arena.allocatedBytes).toBe(0)
  })

  it('may be made again: the old one is read until the new one is sealed', () => {
    const story = new Story()
    story.put('a')
    story.create('a', 2 * MIB, 'second')
    expect(story.pin('a')).toMatchObject([{ place: { sizeBytes: MIB } }])
    story.seal('a')
    expect(story.pin('a')).toMatchObject([{ place: { sizeBytes: 2 * MIB } }])
    // Which of the two this is for cannot be told, so neither is recycled (T4).
    story.unpin('a')
    expect(story.state.arena.allocatedBytes).toBe(3 * MIB)
    story.unpin('a')
    expect(story.state.arena.allocatedBytes).toBe(2 * MIB)
  })

  it('cannot be made twice at a time', () => {
    const story = new Story()
    story.create('a')
    expect(errorOf(story.create('a'))).toMatchObject({ code: 'ERR_USAGE' })
  })

  it.each([-1, 0.5, Number.NaN, Number.MAX_VALUE])('cannot have %d bytes', (sizeBytes) => {
    expect(errorOf(new Story().create('a', sizeBytes))).toMatchObject({ code: 'ERR_USAGE' })
  })

  it('is not hurt by unknown, repeated and excessive requests', () => {
    const story = new Story()
    story.put('a')
    story.pin('a')
    story.unpin('a', 'reader', 100)
    story.unpin('a')
    story.unpin('never')
    story.free('never', 'a', 'a')
    story.exit('nobody')
    expect(story.tell({ type: 'abort', id: 'never' })).toEqual([])
    expect(errorOf(story.seal('never'))).toMatchObject({ code: 'ERR_OBJECT_NOT_FOUND' })
    expect(story.state.arena.allocatedBytes).toBe(0)
  })
})

describe('the store: room', () => {
  it('grows before it drops or spills anything, and lives with less when it cannot', () => {
    const story = new Story({}, 4 * MIB)
    for (const id of ['a', 'b', 'c', 'd']) story.put(id)
    const effects = story.create('e')
    expect(effects).toMatchObject([{ type: 'grow', wantBytes: 10 * MIB }])
    expect(typesOf(story.create('f'))).toEqual([])
    expect(typesOf(story.tell({ type: 'growFailed' }))).toEqual(['spill'])
    expect(story.state.capacityBytes).toBe(4 * MIB)
    story.free('a', 'b', 'c', 'd')
  })

  it('spills the least recently used first, above 80 %, until below', () => {
    const story = new Story()
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      expect(typesOf(story.put(id))).toEqual(['created', 'sealed'])
    }
    story.pin('a')
    story.unpin('a') // used: now the youngest
    const effects = story.put('i')
    expect(effects.filter(isSpill)).toMatchObject([{ items: [{ offset: MIB, sizeBytes: MIB }] }])
    story.spilled(effects)
    expect(story.state.totals.spilledCount).toBe(1)
    // It stays in memory until its room is needed.
    expect(story.pin('b')[0]).toMatchObject({ type: 'pinned', place: { offset: MIB } })
  })

  it('fuses small objects into one file', () => {
    const story = new Story()
    let effects: StoreEffect[] = []
    for (let index = 0; !effects.some(isSpill); index++) effects = story.put(`${index}`, 10_000)
    expect(effects.filter(isSpill)[0]?.items.length).toBeGreaterThan(50)
  })

  it('never spills or drops what is pinned', () => {
    const story = new Story({ spillThreshold: 1 })
    const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j']
    for (const id of ids) {
      story.put(id)
      story.pin(id)
    }
    expect(typesOf(story.create('k'))).toEqual(['askRelease'])
    expect(story.state.queue).toHaveLength(1)
    expect(typesOf(story.unpin('c'))).toEqual(['spill'])
  })

  it('asks clients to release when what they pin stands in the way, now and then', () => {
    const story = new Story()
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) {
      story.put(id)
      story.pin(id)
    }
    story.nowMs = 5000
    expect(typesOf(story.create('i', 3 * MIB))).toEqual(['askRelease'])
    expect(typesOf(story.pin('a'))).toEqual(['pinned'])
    expect(typesOf(story.timer())).toEqual(['askRelease'])
    expect(story.nowMs).toBe(5200)
  })

  it('serves those who wait in their order, a large one not overtaken', () => {
    const story = new Story({ canSpill: false })
    for (const id of ['a', 'b', 'c']) story.put(id, 3 * MIB)
    expect(story.create('large', 5 * MIB)).toEqual([])
    expect(story.create('small', 64)).toEqual([])
    expect(story.free('a')).toEqual([])
    expect(story.free('b')).toMatchObject([
      { type: 'created', place: { sizeBytes: 5 * MIB } },
      { type: 'created', place: { sizeBytes: 64 } },
    ])
  })

  it('refuses who waited 30 s with nothing freed or spilled, and not a moment sooner', () => {
    const story = new Story({ canSpill: false })
    story.put('a', 9 * MIB)
    story.put('b', MIB / 2)
    expect(story.create('c', 5 * MIB)).toEqual([])
    story.nowMs = 20_000
    story.free('b')
    story.nowMs = 49_999
    expect(story.tell({ type: 'timer' })).toEqual([])
    const effects = story.timer()
    expect(story.nowMs).toBe(50_000)
    expect(errorOf(effects)).toMatchObject({
      code: 'ERR_OBJECT_STORE_FULL',
      retryable: true,
      data: { sizeBytes: 5 * MIB, capacityBytes: 10 * MIB },
    })
    expect(nextTimerAtMs(story.state)).toBeUndefined()
  })

  it('frees what a process owned when it has exited, finished or not, and nothing else', () => {
    const story = new Story()
    story.put('of another')
    story.owner = 'gone'
    story.put('finished')
    story.put('pinned')
    story.pin('pinned')
    story.create('unfinished')
    story.exit('gone')
    expect([...story.state.sealed.keys()]).toEqual(['of another'])
    story.seal('unfinished')
    story.unpin('pinned')
    expect([...story.state.byKey.values()].map(({ id }) => id)).toEqual(['of another'])
  })

  it('does not look at what others own when a process has exited', () => {
    const story = new Story()
    story.put('of another')
    const [entry] = story.state.sealed.values()
    let readCount = 0
    const owner = 'owner'
    Object.defineProperty(entry, 'owner', { get: () => ((readCount += 1), owner) })
    step(story.state, { type: 'clientExited', clientId: 'gone' }, 0)
    expect(readCount).toBe(0)
    expect([...story.state.sealed.keys()]).toEqual(['of another'])
  })

  it('has a longest line', () => {
    const story = new Story({ canSpill: false })
    story.put('a', 10 * MIB)
    const { state } = story
    for (let index = 0; index < 10_000; index++) {
      const id = `${index}`
      const request = { requestId: 1000 + index, clientId: 'x', owner: 'x', id, sizeBytes: 1 }
      step(state, { type: 'create', isPrimary: true, ...request }, 0)
    }
    expect(errorOf(story.create('b', 1))).toMatchObject({ code: 'ERR_OBJECT_STORE_FULL' })
    expect(errorOf(story.exit('x'))).toMatchObject({ code: 'ERR_STOPPED' })
    expect(state.queue).toHaveLength(0)
  })

  it('drops copies of other nodes’ objects instead of spilling them', () => {
    const story = new Story()
    for (const id of ['a', 'b', 'c', 'd', 'e']) story.put(id, 2 * MIB, 'puller', false)
    expect(story.create('f', 3 * MIB)).toMatchObject([
      { type: 'evicted', id: 'a' },
      { type: 'evicted', id: 'b' },
      { type: 'created' },
    ])
  })

  it('makes another hole when enough is free but in pieces', () => {
    const story = new Story({ spillThreshold: 1 })
    for (let index = 0; index < 10; index++) story.put(`${index}`)
    story.free('0', '2', '4', '6', '8')
    const effects = story.create('wide', 2 * MIB)
    expect(effects.filter(isSpill)).toHaveLength(1)
    expect(typesOf(story.spilled(effects))).toEqual(['spilledTo', 'created'])
  })
})

describe('the store: spilled objects', () => {
  /** `a` is spilled and dropped. */
  const withSpilled = (): Story => {
    const story = new Story()
    for (let index = 0; index < 8; index++) story.put(index === 0 ? 'a' : `${index}`)
    story.spilled(story.put('8'))
    story.put('9')
    story.create('last', MIB)
    expect(story.state.sealed.get('a')?.offset).toBeUndefined()
    story.tell({ type: 'abort', id: 'last' })
    return story
  }

  it('come back for a pin; those who pin meanwhile wait for the same read', () => {
    const story = withSpilled()
    const effects = story.pin('a', 'x')
    expect(effects).toMatchObject([{ type: 'restore', range: { offset: 0, sizeBytes: MIB } }])
    expect(story.pin('a', 'y')).toEqual([])
    const key = story.state.sealed.get('a')?.key ?? -1
    expect(typesOf(story.tell({ type: 'restored', key }))).toEqual(['pinned', 'pinned'])
  })

  it('F41: tell their waiters when they are damaged, and are never handed out', () => {
    const story = withSpilled()
    story.pin('a')
    const key = story.state.sealed.get('a')?.key ?? -1
    const error = new Error('damaged')
    const effects = story.tell({ type: 'restoreFailed', key, error })
    expect(effects).toMatchObject([{ type: 'refused', error }])
    expect(typesOf(story.pin('a'))).toEqual(['restore'])
  })

  it('leave the disk when they are freed, also in the middle of their restore', () => {
    const story = withSpilled()
    story.pin('a')
    const key = story.state.sealed.get('a')?.key ?? -1
    expect(errorOf(story.free('a'))).toMatchObject({ code: 'ERR_OBJECT_NOT_FOUND' })
    expect(typesOf(story.tell({ type: 'restored', key }))).toEqual(['removeRange'])
  })

  it('leave the disk when they are freed in the middle of their spilling', () => {
    const story = new Story()
    for (let index = 0; index < 8; index++) story.put(`${index}`)
    const effects = story.put('8')
    expect(typesOf(story.free('0'))).toEqual([])
    expect(typesOf(story.spilled(effects))).toEqual(['removeRange'])
  })

  it('F66: a full disk is tried again later and later, and whoever waits hears of it', () => {
    const story = new Story({ spillThreshold: 1 })
    for (let index = 0; index < 10; index++) {
      story.put(`${index}`)
      story.pin(`${index}`)
    }
    expect(story.create('more', MIB).filter(isSpill)).toEqual([])
    const triedAtMs: number[] = []
    let effects = story.unpin('3')
    while (errorOf(effects) === undefined) {
      for (const { batch } of effects.filter(isSpill)) {
        triedAtMs.push(story.nowMs)
        const error = new CapacityError('The disk is full.', { data: { reason: 'disk-full' } })
        story.tell({ type: 'spillFailed', batch, error })
      }
      effects = story.timer()
    }
    expect(triedAtMs).toEqual([0, 1000, 3000, 7000, 15_000])
    expect(errorOf(effects)).toMatchObject({
      code: 'ERR_OBJECT_STORE_FULL',
      message: expect.stringContaining('The disk is full') as string,
      cause: { data: { reason: 'disk-full' } },
    })
  })

  it('F66: it goes on by itself when there is room on the disk again', () => {
    const story = new Story({ spillThreshold: 1 })
    for (let index = 0; index < 10; index++) {
      story.put(`${index}`)
      story.pin(`${index}`)
    }
    story.create('more', MIB)
    const [first] = story.unpin('3').filter(isSpill)
    const error = new CapacityError('full')
    story.tell({ type: 'spillFailed', batch: first?.batch ?? -1, error })
    let effects: StoreEffect[] = []
    while (effects.filter(isSpill).length === 0) effects = story.timer()
    expect(story.nowMs).toBe(1000)
    expect(typesOf(story.spilled(effects))).toEqual(['spilledTo', 'created'])
  })
})

describe('the store: an object larger than the arena', () => {
  const openDirect = (story: Story): string => {
    const [effect] = story.create('big', 11 * MIB)
    if (effect?.type !== 'openDirect') throw new Error('no direct file')
    const path = 'direct'
    const effects = story.tell({ type: 'directOpened', key: effect.key, path })
    expect(effects).toMatchObject([{ type: 'created', place: { path, sizeBytes: 11 * MIB } }])
    return path
  }

  it('goes to the spill place at once and is read there', () => {
    const story = new Story()
    const path = openDirect(story)
    const [effect] = story.seal('big')
    if (effect?.type !== 'sealDirect') throw new Error('not sealed by the spill place')
    expect(story.pin('big')).toEqual([])
    const range = { path, offset: 0, sizeBytes: 11 * MIB, checksum: 77 }
    const effects = story.tell({ type: 'directSealed', key: effect.key, range })
    expect(effects).toMatchObject([
      { type: 'sealed' },
      { type: 'pinned', place: { path, offset: 0, sizeBytes: 11 * MIB, checksum: 77 } },
    ])
    expect(story.free('big')).toEqual([])
    expect(typesOf(story.unpin('big'))).toEqual(['removeRange'])
  })

  it('takes its file with it when it is aborted or its maker dies', () => {
    const story = new Story()
    openDirect(story)
    expect(typesOf(story.tell({ type: 'abort', id: 'big' }))).toEqual(['abortDirect'])
    openDirect(story)
    expect(typesOf(story.exit('maker'))).toEqual(['abortDirect'])
    const [effect] = story.create('big', 11 * MIB)
    if (effect?.type !== 'openDirect') throw new Error('no direct file')
    expect(errorOf(story.exit('maker'))).toMatchObject({ code: 'ERR_STOPPED' })
    const opened = story.tell({ type: 'directOpened', key: effect.key, path: 'late' })
    expect(typesOf(opened)).toEqual(['abortDirect'])
  })

  it('is ObjectStoreFullError without a spill place, or with a full one', () => {
    const refused = new Story({ canSpill: false }).create('big', 11 * MIB)
    expect(errorOf(refused)).toMatchObject({ code: 'ERR_OBJECT_STORE_FULL' })
    const story = new Story()
    const [effect] = story.create('big', 11 * MIB)
    if (effect?.type !== 'openDirect') throw new Error('no direct file')
    const error = new CapacityError('The disk is full.')
    expect(errorOf(story.tell({ type: 'directFailed', key: effect.key, error }))).toMatchObject({
      code: 'ERR_OBJECT_STORE_FULL',
      cause: error,
    })
    expect(story.state.byKey.size).toBe(0)
  })
})

describe('the store: random programs', () => {
  const options: StoreOptions = { ...OPTIONS, capacityBytes: 512 * 1024 }

  it('never show a client anything but what was sealed, and leak nothing', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (numbers) => {
        const draw: Draw = (below) => (below === 0 ? 0 : Number(numbers.next().value) % below)
        play(draw, 250, options)
      }),
      { numRuns: 100 },
    )
  })

  it('hold over a million turns, each kind of thing happening thousands of times', () => {
    const programCount = scaled(100)
    const sums = { created: 0, pinned: 0, refused: 0, spilled: 0, restored: 0, seen: 0, failed: 0 }
    for (let seed = 1; seed <= programCount; seed++) {
      const { counts } = play(drawnFrom(seeded(seed)), 10_000, options)
      for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name]
    }
    for (const sum of Object.values(sums)) expect(sum).toBeGreaterThan(20 * programCount)
  }, 300_000)
})

const drawnFrom =
  (next: () => number): Draw =>
  (below) =>
    Math.floor(next() * below)
