// The refs and handles of a value are those that were put in, each at its place, however the value
// came: its entries are known by order, not looked up by their bytes (handles.ts).
import { afterEach, beforeEach, expect, it } from 'vitest'
import { entryOf } from '../../../runtime/core-worker/object-ref.ts'
import { get, put } from '../../../sdk/get-put-wait.ts'
import { MemoryCluster } from '../../support/memory-cluster.ts'
import {
  build,
  nodeOf,
  type Mixed,
  RemoteHolder,
  pass,
  putThere,
  readsMixed,
} from './ref-functions.ts'
import type { Node } from './ref-functions.ts'
import type { ObjectRef } from '../../../runtime/common/surface.ts'

let cluster: MemoryCluster
beforeEach(async () => {
  cluster = await MemoryCluster.start()
})
afterEach(() => cluster.stop())

async function mixed(): Promise<Mixed> {
  return [await put('first'), RemoteHolder.remote(), await put('second')]
}

it('after put, again and again, each time as handles of their own', () =>
  cluster.run(async () => {
    const value = await mixed()
    const ref = await put(value)
    const read = await get(ref)
    read[0].free() // that of the first reader alone
    const [first, holder, second] = await get(ref)
    expect([first.id, second.id]).toEqual([value[0].id, value[2].id])
    expect([await get(first), await holder.give.run(0), await get(second)]).toEqual([
      'first',
      undefined,
      'second',
    ])
  }))

it('as the result of a task, and in a process that borrows the value', () =>
  cluster.run(async () => {
    const value = await mixed()
    const result = pass.remote(value)
    const [first, , second] = await get(result)
    expect([first.id, second.id]).toEqual([value[0].id, value[2].id])
    const expected = ['first', undefined, 'second']
    expect(await readsMixed.run({ ref: result })).toEqual(expected)
    expect(await readsMixed.run({ ref: await put(value) })).toEqual(expected)
  }))

it('as one of several returns, each with refs of its own', () =>
  cluster.run(async () => {
    const value = await mixed()
    const both = pass.options({ numReturns: 3 }).remote(value)
    const [first, , second] = await get([...both])
    expect([first.id, second.id]).toEqual([value[0].id, value[2].id])
  }))

/** An object that this process owns, and one that it borrows and has not read. */
const INNER: Record<string, () => Promise<ObjectRef<Node>>> = {
  own: () => put(nodeOf(2, [], true)),
  borrowed: async () => {
    const [ref] = (await putThere.run(nodeOf(2, [], true), 1)).refs
    return ref as ObjectRef<Node>
  },
}

it.each(Object.entries(INNER))(
  'with a ref inside that is %s and nobody else holds, while what is read is freed',
  (_, make) =>
    cluster.run(async () => {
      const inner = await make()
      const outer = await put(nodeOf(1, [inner], true))
      inner.free()
      const reading = get(outer)
      outer.free()
      const [again] = (await reading).refs
      expect((await get(again as ObjectRef<Node>)).id).toBe(2)
    }),
)

it.each(Object.entries(INNER))(
  'with a ref that is %s, whose only holder was the call that gives it back',
  (_, make) =>
    cluster.run(async () => {
      const inner = await make()
      const given = build.remote(nodeOf(1, [inner], false))
      inner.free()
      const [again] = (await get(given)).refs as [ObjectRef<Node>]
      expect(entryOf(again).sharing?.freed).toBe(false)
      expect((await get(again)).id).toBe(2)
    }),
)
