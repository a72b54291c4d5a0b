// Arguments: what a worker reads from the record of a call is what was given.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ArgumentEncoder,
  bytesOf,
  type EncodedArguments,
} from '../../../runtime/core-worker/arguments.ts'
import { STORED, ObjectEntry, VALUE } from '../../../runtime/core-worker/object-entry.ts'
import { entryOf, refOf, type RefHooks } from '../../../runtime/core-worker/object-ref.ts'
import type { ObjectId } from '../../../runtime/common/ids.ts'
import { ByteReader } from '../../../runtime/protocol/byte-reader.ts'
import { readArgument } from '../../../runtime/protocol/task-frames.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'

const codec = new ValueCodec()

function anEncoder() {
  const stored: ObjectEntry[] = []
  const encoder = new ArgumentEncoder({
    ...{ codec, ownNodeId: undefined },
    entryOf,
    storeLarge: ({ sizeBytes }) => {
      const entry = new ObjectEntry(undefined, 0, 0)
      entry.complete(STORED, { objectId: 's'.repeat(20) as ObjectId, sizeBytes })
      stored.push(entry)
      return entry
    },
  })
  return { encoder, stored }
}

function recordOf(encoder: ArgumentEncoder, encoded: EncodedArguments): Buffer {
  return bytesOf(encoded.packed ?? encoder.assemble(encoded))
}

function read(record: Buffer): unknown[] {
  const reader = new ByteReader(record)
  const values: unknown[] = []
  for (let left = reader.varint(); left > 0; left -= 1) {
    const argument = readArgument(reader)
    values.push(argument instanceof Uint8Array ? codec.decode(argument) : argument)
  }
  expect(reader.remaining).toBe(0)
  return values
}

const values = fc.oneof(
  fc.integer(),
  fc.string({ maxLength: 3000 }),
  fc.constantFrom(null, undefined, true),
  fc.array(fc.nat(), { maxLength: 300 }),
  fc.record({ a: fc.nat(), b: fc.string() }),
  fc.uint8Array({ maxLength: 300 }),
)

describe('arguments', () => {
  it('are read as they were given, call after call out of the same slabs', () => {
    fc.assert(
      fc.property(fc.array(fc.array(values, { maxLength: 8 }), { maxLength: 40 }), (calls) => {
        const { encoder } = anEncoder()
        const records = calls.map((args) => recordOf(encoder, encoder.encode(args)))
        expect(records.map(read)).toEqual(calls)
      }),
    )
  })

  it('of a record larger than a slab leave the records around it alone', () => {
    const { encoder } = anEncoder()
    const calls = [
      [1],
      ['x'.repeat(90_000)],
      [2],
      [['y'.repeat(90_000)], ['z'.repeat(90_000)]],
      [3],
    ]
    const records = calls.map((args) => recordOf(encoder, encoder.encode(args)))
    expect(records.map(read)).toEqual(calls)
  })

  it('that are refs take the place of their values, between those that are none', () => {
    const { encoder, stored } = anEncoder()
    const entry = new ObjectEntry(undefined, 0, 0)
    const ref = refOf(entry, {} as RefHooks)
    const large = ['w'.repeat(200_000)]
    const encoded = encoder.encode([[1], 2, ref, large, [3], ref])
    expect(encoded.packed).toBeUndefined()
    expect(encoded.holds).toEqual([entry, stored[0], entry])
    entry.complete(VALUE, 'late')
    const [one, two, late, place, three, again] = read(recordOf(encoder, encoded))
    expect([one, two, late, three, again]).toEqual([[1], 2, 'late', [3], 'late'])
    expect(place).toMatchObject({ objectId: 's'.repeat(20) })
  })

  it('that cannot be encoded leave nothing behind', () => {
    const { encoder } = anEncoder()
    const before = recordOf(encoder, encoder.encode([1, 'one']))
    expect(() => encoder.encode([1, Symbol('no')])).toThrow(/args/)
    expect(() => encoder.encode([[1], () => 1])).toThrow(/args\[1\]/)
    expect(read(recordOf(encoder, encoder.encode([2, 'two'])))).toEqual([2, 'two'])
    expect(read(before)).toEqual([1, 'one'])
  })

  it('whose getters encode arguments themselves are not mixed up with those', () => {
    const { encoder } = anEncoder()
    let inner: Buffer | undefined
    const outer = {
      get value() {
        inner = recordOf(encoder, encoder.encode([['inner'], { deep: true }]))
        return 'outer'
      },
    }
    const record = recordOf(encoder, encoder.encode([['before'], outer, ['after']]))
    expect(read(record)).toEqual([['before'], { value: 'outer' }, ['after']])
    expect(read(inner as Buffer)).toEqual([['inner'], { deep: true }])
  })
})

it('a symbol is refused by the number of its argument', () => {
  const { encoder } = anEncoder()
  expect(() => encoder.encode([1, Symbol('x')])).toThrow('args[1] cannot be sent')
})
