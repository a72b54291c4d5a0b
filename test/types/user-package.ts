// A user's package that exports what it makes of `virga`: its declarations must be emittable, and
// must name nothing but `virga`.
import { ObjectRef, remote } from 'virga'
import type { ActorOptions } from 'virga'

export const double = remote((x: number) => x * 2)
export const ref = double.remote(1)
export const pair = remote((n: number): [number, string] => [n, 'x'], { numReturns: 2 })
export const refs = pair.remote(1)
export const numbers = remote(async function* (n: number) {
  for (let i = 0; i < n; i++) yield i
})
export const stream = numbers.remote(3)
export const running = numbers.run(3)
export const Counter = remote(
  class Counter {
    #secret = 1
    private value = 0
    inc(by: number): number {
      this.value += by
      return this.value + this.#secret
    }
    async *ticks(): AsyncGenerator<string> {
      yield String(this.value)
    }
    split(): [number, string] {
      return [this.value, 'x']
    }
  },
  { methods: { split: { numReturns: 2 } } },
)
export const counter = Counter.remote()
export const increment = counter.inc
export const ticks = counter.ticks.remote()
export const halves = counter.split.remote()
export const isRef = (x: unknown): x is ObjectRef => x instanceof ObjectRef
export const mapped = double.mapSettled([1, 2])
export const options: ActorOptions = { maxRestarts: 1 }
