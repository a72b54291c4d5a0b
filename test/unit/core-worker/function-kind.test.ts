// What is known of a function from outside, and which methods of a class are an actor's.
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { arityOf, isClass, kindOf, methodsOf } from '../../../runtime/core-worker/function-kind.ts'

class Base {
  inherited(): void {}
  overridden(): void {}
  hiddenBelow(): void {}
}

class Counter extends Base {
  #secret = 1
  _internal(): void {}
  get value(): number {
    return this.#secret
  }
  override overridden(): void {}
  inc(): void {}
  async slow(): Promise<void> {}
  *items(): Generator<number> {}
  async *events(): AsyncGenerator<number> {}
  override toString(): string {
    return ''
  }
  ['__proto__'](): void {}
  [Symbol.iterator](): void {}
}

Object.defineProperty(Counter.prototype, 'hiddenBelow', { get: () => () => undefined })
// oxlint-disable-next-line unicorn/no-thenable -- a class with such a method is the case under test
Object.defineProperty(Counter.prototype, 'then', { value: () => undefined })

describe('the kind of a function', () => {
  test.each([
    ['function', () => 1],
    ['function', function () {}],
    ['function', Math.sqrt],
    ['function', Math.max.bind(null, 1)],
    ['async', async () => 1],
    ['generator', function* () {}],
    ['asyncGenerator', async function* () {}],
    ['class', Counter],
    ['class', class {}],
  ])('%s', (kind, fn) => {
    expect(kindOf(fn)).toBe(kind)
  })

  test('is known for functions of another realm', () => {
    const other = runInNewContext(
      '[async function*() {}, class { m() {} }, () => 1]',
    ) as (() => void)[]
    expect(other.map((fn) => kindOf(fn))).toEqual(['asyncGenerator', 'class', 'function'])
    expect([...methodsOf(other[1] as never).keys()]).toEqual(['m'])
  })

  test('isClass says no to what is no function', () => {
    expect([undefined, null, {}, 'class {}', 1].map(isClass)).toEqual([
      false,
      false,
      false,
      false,
      false,
    ])
  })

  test('arity is the number of parameters before the first default', () => {
    expect(arityOf((_a: number, _b: number, _c = 1) => 1)).toBe(2)
  })
})

describe('the methods of a class', () => {
  test('are the public ones, inherited included; generators are streams', () => {
    expect(Object.fromEntries(methodsOf(Counter))).toEqual({
      inherited: { kind: 'value' },
      overridden: { kind: 'value' },
      inc: { kind: 'value' },
      slow: { kind: 'value' },
      items: { kind: 'stream' },
      events: { kind: 'stream' },
    })
  })

  test('of a class that extends null are its own', () => {
    class Bare extends (null as never as new () => object) {
      go(): void {}
    }
    expect([...methodsOf(Bare).keys()]).toEqual(['go'])
  })
})
