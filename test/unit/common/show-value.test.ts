// Values in the words of an error, and the names that were probably meant.
import { expect, test } from 'vitest'
import fc from 'fast-check'
import { didYouMean, findNearestName } from '../../../runtime/common/nearest-name.ts'
import { showValue } from '../../../runtime/common/show-value.ts'

class Thing {
  secret = 1
}

test.each([
  [undefined, 'undefined'],
  [null, 'null'],
  [-0, '-0'],
  [Number.NaN, 'NaN'],
  [12n, '12n'],
  ['it\'s "x"\n', String.raw`'it\'s "x"\n'`],
  [[1, 'a', [2, [3]]], "[1, 'a', [2, Array(1)]]"],
  [{ a: 1, b: { c: { d: 1 } } }, '{ a: 1, b: { c: {…} } }'],
  [Object.create(null), '{}'],
  [new Map([[1, 2]]), 'Map(1)'],
  [new Thing(), 'Thing'],
  [Math.max, 'function max'],
  [() => 1, 'a function'],
  [Symbol('s'), 'Symbol(s)'],
])('%o is shown in one short line', (value, shown) => {
  expect(showValue(value)).toBe(shown)
})

test('no value is too long, and none can throw', () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  expect(showValue(proxy)).toBe('[object]')
  expect(showValue('x'.repeat(10_000)).length).toBe(200)
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true, withBigInt: true }), (value) => {
      expect(showValue(value).length).toBeLessThanOrEqual(200)
    }),
  )
})

test('accessors are not run', () => {
  const value = Object.defineProperty({}, 'x', {
    enumerable: true,
    get: () => {
      throw new Error('ran')
    },
  })
  expect(showValue(value)).toBe('{ x: … }')
})

const names = ['numCpus', 'numGpus', 'memoryBytes', 'maxRetries', 'timeoutMs', 'resources', 'name']

test.each([
  ['numCpu', 'numCpus'],
  ['num_cpus', 'numCpus'],
  ['NUMGPUS', 'numGpus'],
  ['cpus', 'numCpus'],
  ['retries', 'maxRetries'],
  ['timeout', 'timeoutMs'],
  ['memory', 'memoryBytes'],
  ['resoruces', 'resources'],
  ['zzzz', undefined],
  ['a', undefined],
])('%s probably means %s', (given, meant) => {
  expect(findNearestName(given, names)).toBe(meant)
})

test('didYouMean says nothing when nothing is near', () => {
  expect(didYouMean('numCpu', names)).toBe('. Did you mean numCpus?')
  expect(didYouMean('zzzz', names)).toBe('')
})
