// Tasks with large results, which count how often each was run: in one process, so that a test can
// look.
import { get } from '../../../sdk/get-put-wait.ts'
import { remote } from '../../../sdk/remote.ts'
import { runtimeContext } from '../../../sdk/runtime-context.ts'
import type { ObjectRef } from '../../../runtime/common/surface.ts'

/** Above the limit of what is inlined. */
export const LARGE = 13_000

/** How often it was run, by what it was called with. */
export const runs = new Map<string, number>()
/** The attempts seen, in order. */
export const attempts: number[] = []

function ran(key: string): void {
  runs.set(key, (runs.get(key) ?? 0) + 1)
  attempts.push(runtimeContext().attempt)
}

export const made = (value: number): Float64Array => new Float64Array(LARGE).fill(value)

export const make = remote((value: number) => {
  ran(`make ${String(value)}`)
  return made(value)
})
export const plus = remote((array: Float64Array, add: number) => {
  ran(`plus ${String(add)}`)
  return array.map((value) => value + add)
})
export const first = remote((array: Float64Array) => array[0])
export const firstOfAll = remote((...arrays: Float64Array[]) => arrays.map((array) => array[0]))
export const makeOnce = remote(
  (value: number) => {
    ran(`once ${String(value)}`)
    return made(value)
  },
  { maxRetries: 0 },
)
/** Small at every run but the first. */
export const shrinks = remote(() => {
  ran('shrinks')
  return runs.get('shrinks') === 1 ? made(1) : new Float64Array(1).fill(2)
})
export const pair = remote(
  (value: number): [Float64Array, Float64Array] => {
    ran(`pair ${String(value)}`)
    return [made(value), made(-value)]
  },
  { numReturns: 2 },
)
/** Reads what lies behind a ref inside its argument. */
export const behind = remote(async ({ ref }: { readonly ref: ObjectRef<Float64Array> }) => {
  ran('behind')
  return made(((await get(ref))[0] ?? 0) * 10)
})
export const wraps = remote(({ ref }: { readonly ref: ObjectRef<Float64Array> }) => ({
  ref,
  pad: made(0),
}))
export const items = remote(function* (count: number) {
  ran('items')
  for (let i = 0; i < count; i += 1) yield made(i)
})

/** Gives its second item at the second attempt. */
export const second = remote(
  function* () {
    yield made(1)
    if (runtimeContext().attempt === 0) throw new Error('not yet')
    yield made(2)
  },
  { retryExceptions: true },
)

class Maker {
  calls = 0
  make(value: number): Float64Array {
    this.calls += 1
    return made(value + this.calls * 100)
  }
  firstOf(array: Float64Array): number | undefined {
    return array[0]
  }
}
export const RemoteMaker = remote(Maker)
