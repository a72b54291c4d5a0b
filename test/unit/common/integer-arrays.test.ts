// What the engine knows of arrays: never more than is so.
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { knowsIntegers } from '../../../runtime/common/integer-arrays-system.ts'

const holed = (): unknown[] => {
  const items = new Array<unknown>(3)
  items[0] = 1
  return items
}

test.each<[string, unknown[]]>([
  ['a literal', [1, -2, 2 ** 31 - 1, -(2 ** 31)]],
  ['one that was filled', new Array<unknown>(1000).fill(1)],
  ['one that grew', Array.from({ length: 1000 }, (_, i) => i)],
])('%s of integers is known', (_, items) => {
  expect(knowsIntegers(items)).toBe(true)
})

test.each<[string, unknown[]]>([
  ['a hole', holed()],
  ['a fraction', [1, 2.5]],
  ['a minus zero', [1, -0]],
  ['an integer of more than 32 bits', [1, 2 ** 31]],
  ['a text', [1, 'text']],
  ['an object', [1, {}]],
  ['undefined', [1, undefined]],
  ['a property beside its items', Object.assign([1, 2], { name: 'value' })],
  ['a symbol beside its items', Object.assign([1, 2], { [Symbol('s')]: 1 })],
  ['a getter', Object.defineProperty([1, 2], 0, { get: () => 1 })],
  ['another prototype', Object.setPrototypeOf([1, 2], null) as unknown[]],
  ['a class of its own', new (class Own extends Array<unknown> {})(1, 2, 3)],
  ['a Proxy around it', new Proxy([1, 2], {})],
])('nothing is known of an array with %s', (_, items) => {
  expect(knowsIntegers(items)).toBe(false)
})

const PROGRAM = `
  const { knowsIntegers } = await import(process.argv[1])
  const known = []
  for (let round = 0; round < 5; round += 1) {
    known.push(knowsIntegers([1, 2, 3]), knowsIntegers([1, 'text']))
    for (let i = 0; i < 20; i += 1) gc()
    await new Promise(setImmediate)
  }
  let allowed = true
  try { eval('() => %InYoungGeneration({})') } catch { allowed = false }
  console.log(known.join(), allowed)
`

test('also when V8 has thrown away code that was not called, and the flag is as it was', () => {
  const module = new URL('../../../runtime/common/integer-arrays-system.ts', import.meta.url).href
  const flags = ['--expose-gc', '--stress-flush-code', '--no-warnings']
  const args = [...flags, '--input-type=module', '--eval', PROGRAM, module]
  const printed = execFileSync(process.execPath, args, { encoding: 'utf8' }).trim()
  expect(printed).toBe(`${new Array(5).fill('true,false').join()} false`)
})
