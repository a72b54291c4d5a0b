// Copies of other nodes' objects in a store whose room is held, and what finds room in pieces
// alone: T8 of store-state.ts.
import { describe, expect, it } from 'vitest'
import { CapacityError } from '../../../runtime/common/errors.ts'
import type { StoreEffect, StoreOptions } from '../../../runtime/objects/store-entry.ts'
import { nextTimerAtMs } from '../../../runtime/objects/store-state.ts'
import { MIB, Story, errorOf, typesOf } from './store-story.ts'

/** Until that long after the start, what the store does by itself. */
const passUntil = (story: Story, untilMs: number): StoreEffect[] => {
  const effects: StoreEffect[] = []
  while ((nextTimerAtMs(story.state) ?? Infinity) <= untilMs) effects.push(...story.timer())
  story.nowMs = untilMs
  return effects.filter(({ type }) => type !== 'askRelease')
}

describe('the store: a copy of another node’s object', () => {
  const full = (options: Partial<StoreOptions> = {}): Story => {
    const story = new Story(options)
    story.put('held', 7 * MIB)
    story.pin('held')
    return story
  }

  it('goes into a file when no room has come for 2 s, and is read there', () => {
    const story = full()
    story.create('own', 5 * MIB)
    story.create('copy', 5 * MIB, 'puller', false)
    expect(passUntil(story, 1999)).toEqual([])
    const [opening] = passUntil(story, 2000)
    if (opening?.type !== 'openDirect') throw new Error('no file')
    const opened = story.tell({ type: 'directOpened', key: opening.key, path: 'file' })
    expect(opened).toMatchObject([{ type: 'created', place: { path: 'file' } }])
    const [sealing] = story.seal('copy').filter(({ type }) => type === 'sealDirect')
    if (sealing?.type !== 'sealDirect') throw new Error('not sealed')
    const range = { path: 'file', offset: 0, sizeBytes: 5 * MIB, checksum: 7 }
    story.tell({ type: 'directSealed', key: sealing.key, range })
    expect(story.pin('copy').filter(({ type }) => type === 'pinned')).toMatchObject([
      { place: { path: 'file', sizeBytes: 5 * MIB, checksum: 7 } },
    ])
    expect(story.state.queue.map(({ sizeBytes }) => sizeBytes)).toEqual([5 * MIB]) // its own waits
    story.unpin('copy')
    expect(typesOf(story.free('copy'))).toContain('removeRange')
  })

  it('waits for as long as room comes in pieces', () => {
    const story = full()
    story.put('small', MIB / 2)
    story.pin('small')
    story.create('copy', 5 * MIB, 'puller', false)
    passUntil(story, 1500)
    story.free('small')
    story.unpin('small')
    expect(passUntil(story, 3499)).toEqual([])
    expect(typesOf(passUntil(story, 3500))).toEqual(['openDirect'])
  })

  it('goes into a file at once where one before it did, until something is released', () => {
    const story = full()
    story.put('small', MIB / 2)
    story.pin('small')
    story.create('first', 5 * MIB, 'puller', false)
    expect(typesOf(passUntil(story, 2000))).toEqual(['openDirect'])
    story.nowMs = 2500
    for (const id of ['second', 'third']) story.create(id, 5 * MIB, 'puller', false)
    expect(typesOf(passUntil(story, 2500))).toEqual(['openDirect', 'openDirect'])
    story.nowMs = 3000
    story.free('small')
    story.unpin('small')
    story.create('fourth', 5 * MIB, 'puller', false)
    expect(passUntil(story, 4999)).toEqual([])
    expect(typesOf(passUntil(story, 5000))).toEqual(['openDirect'])
  })

  it('goes on waiting for room where no file can be had, and tries for none again', () => {
    const story = full()
    story.create('copy', 5 * MIB, 'puller', false)
    const [opening] = passUntil(story, 2000)
    if (opening?.type !== 'openDirect') throw new Error('no file')
    const error = new CapacityError('The disk is full.')
    const failed = story.tell({ type: 'directFailed', key: opening.key, error })
    expect(errorOf(failed)).toBeUndefined()
    expect(passUntil(story, 31_999)).toEqual([])
    story.free('held')
    expect(typesOf(story.unpin('held'))).toContain('created')
  })

  it('is refused after 30 s as any other where the spill place takes no files', () => {
    const story = full({ hasFiles: false })
    story.create('copy', 5 * MIB, 'puller', false)
    expect(passUntil(story, 29_999)).toEqual([])
    expect(errorOf(passUntil(story, 30_000))).toMatchObject({ code: 'ERR_OBJECT_STORE_FULL' })
  })

  it('that lies in a file may be kept: it stays there, and is read there', () => {
    const story = full()
    story.create('copy', 5 * MIB, 'puller', false)
    const [opening] = passUntil(story, 2000)
    if (opening?.type !== 'openDirect') throw new Error('no file')
    story.tell({ type: 'directOpened', key: opening.key, path: 'file' })
    story.seal('copy')
    const range = { path: 'file', offset: 0, sizeBytes: 5 * MIB, checksum: 7 }
    story.tell({ type: 'directSealed', key: opening.key, range })
    story.tell({ type: 'keep', id: 'copy', owner: 'puller' })
    story.unpin('held')
    story.free('held')
    expect(story.pin('copy')).toMatchObject([{ type: 'pinned', place: { path: 'file' } }])
  })

  it('that came for a process goes with it, unless it is kept for another node, or read here', () => {
    const story = new Story({})
    story.owner = 'driver'
    for (const id of ['copy', 'kept', 'read']) story.put(id, MIB, 'puller', false)
    story.tell({ type: 'keep', id: 'kept', owner: 'puller' })
    for (const client of ['driver', 'puller']) story.pin('copy', client)
    for (const client of ['driver', 'worker']) story.pin('read', client)
    for (const client of ['worker', 'driver']) story.exit(client)
    expect([...story.state.sealed.keys()]).toEqual(['kept', 'read'])
    story.exit('puller')
    expect(story.state.sealed.size).toBe(0)
  })
})

describe('the store: what is put where the room for it is in pieces', () => {
  /** Held is every second of 20 objects: 5 MiB in 10 pieces are free. */
  const scattered = (options: Partial<StoreOptions> = {}): Story => {
    const story = new Story(options)
    const ids = Array.from({ length: 20 }, (_, index) => `small${String(index)}`)
    for (const id of ids) {
      story.put(id, MIB / 2)
      story.pin(id)
    }
    for (const id of ids.filter((_, index) => index % 2 === 1)) {
      story.unpin(id)
      story.free(id)
    }
    return story
  }

  it('goes into a file when none has come for 2 s', () => {
    const story = scattered()
    story.create('large', 3 * MIB)
    expect(passUntil(story, 1999)).toEqual([])
    expect(typesOf(passUntil(story, 2000))).toEqual(['openDirect'])
    expect([...story.state.creating.values()]).toMatchObject([{ id: 'large', isPrimary: true }])
  })

  it('waits for it where there is not so much in all: those who hold it are told', () => {
    const story = scattered()
    story.create('large', 6 * MIB)
    expect(passUntil(story, 29_999)).toEqual([])
    expect(errorOf(passUntil(story, 30_000))).toMatchObject({ code: 'ERR_OBJECT_STORE_FULL' })
  })

  it('waits for it where no file can be had, as what it is', () => {
    const story = scattered()
    story.create('large', 3 * MIB)
    const [opening] = passUntil(story, 2000)
    if (opening?.type !== 'openDirect') throw new Error('no file')
    const error = new CapacityError('The disk is full.')
    story.tell({ type: 'directFailed', key: opening.key, error })
    expect(story.state.queue).toMatchObject([{ id: 'large', isPrimary: true, isFileless: true }])
    expect(errorOf(passUntil(story, 32_000))).toMatchObject({ code: 'ERR_OBJECT_STORE_FULL' })
  })
})
