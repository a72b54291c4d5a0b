// Which node a task's large arguments speak for.
import { describe, expect, test } from 'vitest'
import type { ObjectId } from '../../../runtime/common/ids.ts'
import type { Argument } from '../../../runtime/core-worker/arguments.ts'
import {
  ArgumentHolders,
  COPIES_MAX,
  HELD_BYTES_MIN,
} from '../../../runtime/core-worker/argument-holders.ts'
import {
  BLOB,
  ObjectEntry,
  STORED,
  type StoredAt,
} from '../../../runtime/core-worker/object-entry.ts'
import type { TaskRecord } from '../../../runtime/core-worker/task-record.ts'

const MIB = 1024 * 1024

const placeOf = (sizeBytes: number, nodeId?: string) => ({
  ...{ objectId: 'o' as ObjectId, sizeBytes },
  ...(nodeId === undefined ? {} : { nodeId }),
})
function stored(sizeBytes: number, nodeId?: string): Argument & { entry: ObjectEntry } {
  const entry = new ObjectEntry(undefined, 0, 0)
  entry.complete(STORED, placeOf(sizeBytes, nodeId))
  return { kind: 'entry', entry }
}
const small = (): Argument => {
  const entry = new ObjectEntry(undefined, 0, 0)
  entry.complete(BLOB, new Uint8Array(100))
  return { kind: 'entry', entry }
}
const inline: Argument = { kind: 'inline', bytes: Buffer.alloc(2 * MIB) }

/** What of a task is looked at. */
const aTask = (strategy = 'DEFAULT'): TaskRecord =>
  ({ holds: [], kind: { scheduling: { strategy: { kind: strategy } } } }) as unknown as TaskRecord

class World {
  readonly #holders = new ArgumentHolders('here')

  /** @returns the node that a task with these arguments is placed by. */
  holderOf(parts: readonly Argument[], task = aTask()): string | undefined {
    this.#holders.note(task, parts)
    return this.#holders.of(task)
  }

  /** A task with these arguments runs there. */
  runAt(nodeId: string, parts: readonly Argument[], strategy?: string): void {
    const task = aTask(strategy)
    this.#holders.note(task, parts)
    this.#holders.readAt(task, nodeId)
  }

  getAt({ value }: ObjectEntry, nodeId?: string): void {
    this.#holders.gotAt(value as StoredAt, nodeId)
  }
}

describe('the holder of arguments', () => {
  test('is the node with most of their bytes, taken together', () => {
    const world = new World()
    expect(world.holderOf([stored(4 * MIB, 'a'), stored(9 * MIB, 'b')])).toBe('b')
    const three = [stored(5 * MIB, 'a'), stored(9 * MIB, 'b'), stored(5 * MIB, 'a')]
    expect(world.holderOf(three)).toBe('a')
    expect(world.holderOf([stored(MIB, 'a'), stored(MIB, 'b')])).toBe('a')
  })

  test('is this node for what was put here', () => {
    const world = new World()
    expect(world.holderOf([stored(4 * MIB), stored(3 * MIB, 'b')])).toBe('here')
    expect(world.holderOf([stored(4 * MIB), stored(5 * MIB, 'b'), stored(4 * MIB)])).toBe('here')
  })

  test('is nobody where little lies, and what travels with the task does not count', () => {
    const world = new World()
    expect(world.holderOf([stored(HELD_BYTES_MIN - 1, 'b'), small(), inline])).toBeUndefined()
    expect(world.holderOf([stored(HELD_BYTES_MIN, 'b'), small(), inline])).toBe('b')
    expect(world.holderOf([])).toBeUndefined()
  })

  test('is nobody for a task that says itself where it runs', () => {
    expect(new World().holderOf([stored(MIB, 'b')], aTask('SPREAD'))).toBeUndefined()
  })

  test.each(['DEFAULT', 'SPREAD'])('is a node that has read them, by a %s task', (strategy) => {
    const world = new World()
    const parts = [stored(4 * MIB, 'a'), stored(5 * MIB, 'b')]
    expect(world.holderOf(parts)).toBe('b')
    world.runAt('c', parts, strategy)
    expect(world.holderOf(parts)).toBe('c')
  })

  test('is a node that has read them by get, this one or another', () => {
    for (const nodeId of [undefined, 'c']) {
      const world = new World()
      const parts = [stored(4 * MIB, 'a'), stored(5 * MIB, 'b')] as const
      for (const { entry } of parts) world.getAt(entry, nodeId)
      expect(world.holderOf(parts)).toBe(nodeId ?? 'here')
    }
  })

  test('is who made it before who has a copy', () => {
    const world = new World()
    const parts = [stored(4 * MIB, 'a')]
    for (const nodeId of ['c', 'a', 'c']) world.runAt(nodeId, parts)
    expect(world.holderOf(parts)).toBe('a')
  })

  test('LH1: forgets the copies of what was made again', () => {
    const world = new World()
    const parts = [stored(4 * MIB, 'a'), stored(5 * MIB, 'b')] as const
    world.runAt('c', parts)
    for (const { entry } of parts) {
      entry.lose()
      entry.complete(STORED, placeOf(4 * MIB, 'd'))
    }
    expect(world.holderOf(parts)).toBe('d')
    expect(world.holderOf([...parts, stored(5 * MIB, 'c')])).toBe('d')
  })

  test('LH1: knows those that read it last, and of no more', () => {
    const world = new World()
    const parts = [stored(4 * MIB, 'a'), stored(5 * MIB, 'b')]
    world.runAt('old', parts)
    world.runAt('again', parts)
    for (let i = 2; i < COPIES_MAX; i += 1) world.runAt(`c${String(i)}`, parts)
    for (const nodeId of ['again', 'new', 'newest']) world.runAt(nodeId, parts)
    expect(world.holderOf([...parts, stored(MIB, 'old')])).not.toBe('old')
    expect(world.holderOf([...parts, stored(MIB, 'again')])).toBe('again')
  })
})
