// Which node a task's large arguments speak for.
import { describe, expect, test } from 'vitest'
import type { ObjectId } from '../../../runtime/common/ids.ts'
import type { Argument } from '../../../runtime/core-worker/arguments.ts'
import { HELD_BYTES_MIN, holderOf } from '../../../runtime/core-worker/argument-holders.ts'
import { BLOB, ObjectEntry, STORED } from '../../../runtime/core-worker/object-entry.ts'

const MIB = 1024 * 1024

function stored(sizeBytes: number, nodeId?: string): Argument {
  const entry = new ObjectEntry(undefined, 0, 0)
  const objectId = 'o' as ObjectId
  entry.complete(STORED, { objectId, sizeBytes, ...(nodeId === undefined ? {} : { nodeId }) })
  return { kind: 'entry', entry }
}
const small = (): Argument => {
  const entry = new ObjectEntry(undefined, 0, 0)
  entry.complete(BLOB, new Uint8Array(100))
  return { kind: 'entry', entry }
}
const inline: Argument = { kind: 'inline', bytes: Buffer.alloc(2 * MIB) }

describe('the holder of arguments', () => {
  test('is the node with most of their bytes, taken together', () => {
    expect(holderOf([stored(4 * MIB, 'a'), stored(9 * MIB, 'b')], 'here')).toBe('b')
    const three = [stored(5 * MIB, 'a'), stored(9 * MIB, 'b'), stored(5 * MIB, 'a')]
    expect(holderOf(three, 'here')).toBe('a')
    expect(holderOf([stored(MIB, 'a'), stored(MIB, 'b')], 'here')).toBe('a')
  })

  test('is this node for what was put here', () => {
    expect(holderOf([stored(4 * MIB), stored(3 * MIB, 'b')], 'here')).toBe('here')
    expect(holderOf([stored(4 * MIB), stored(5 * MIB, 'b'), stored(4 * MIB)], 'here')).toBe('here')
  })

  test('is nobody where little lies, and what travels with the task does not count', () => {
    expect(holderOf([stored(HELD_BYTES_MIN - 1, 'b'), small(), inline], 'here')).toBeUndefined()
    expect(holderOf([stored(HELD_BYTES_MIN, 'b'), small(), inline], 'here')).toBe('b')
    expect(holderOf([], 'here')).toBeUndefined()
  })
})
