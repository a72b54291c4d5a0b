// The remote functions of the soak, one or two for each kind of load: a module of its own, so that
// a worker imports nothing else.
import { setTimeout as sleep } from 'node:timers/promises'
import { remote, runtimeContext } from 'virga'

export const addOne = remote((value: number) => value + 1)

export const sumOf = remote((values: Float64Array) => values.reduce((sum, each) => sum + each, 0))

export const rampOf = remote((length: number) => Float64Array.from({ length }, (_, i) => i))

export const countTo = remote(function* (count: number) {
  for (let i = 0; i < count; i += 1) yield i
})

export const fail = remote((text: string): never => {
  throw new RangeError(text)
})

/** Fails on its first attempt. */
export const failOnce = remote(
  (): number => {
    const { attempt } = runtimeContext()
    if (attempt === 0) throw new Error('the first attempt')
    return attempt
  },
  { retryExceptions: true },
)

export const waitFor = remote(async (milliseconds: number) => {
  await sleep(milliseconds, undefined, { signal: runtimeContext().signal })
})

export const spin = remote((milliseconds: number) => {
  const endAtMs = performance.now() + milliseconds
  while (performance.now() < endAtMs);
})

class Tally {
  count = 0
  add(by: number): number {
    return (this.count += by)
  }
  fail(): never {
    throw new TypeError('asked to')
  }
}
export const RemoteTally = remote(Tally)
