// What V8's collector is told beforehand.
import { execFileSync } from 'node:child_process'
import { getHeapSpaceStatistics } from 'node:v8'
import { runInThisContext } from 'node:vm'
import { expect, test } from 'vitest'
import { systemFinalization } from '../../../runtime/common/finalization-system.ts'
import { until } from '../../support/waiting.ts'

const ARRAY_ITEMS = 10_000
const ARRAY_BYTES = ARRAY_ITEMS * 8
/** Too few to become old by two collections while they are made. */
const ARRAYS = 5

const oldBytes = (): number =>
  getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')?.space_used_size ??
  0

function isOldAtOnce(make: (count: number) => unknown[]): boolean {
  const before = oldBytes()
  const made = Array.from({ length: ARRAYS }, () => make(ARRAY_ITEMS))
  return oldBytes() - before >= made.length * ARRAY_BYTES
}

test('what was told to stay is made among what is old, once its code is optimized', async () => {
  const make = (count: number): unknown[] => new Array<unknown>(count)
  systemFinalization.tenure?.([make])
  await until(() => {
    for (let i = 0; i < 1000; i += 1) make(1)
    return isOldAtOnce(make)
  })
})

test('also when its code was optimized before, and again after V8 has forgotten', async () => {
  const make = (count: number): unknown[] => new Array<unknown>(count)
  for (let i = 0; i < 100_000; i += 1) make(1)
  for (let round = 0; round < 3; round += 1) {
    systemFinalization.collect()
    await until(() => {
      systemFinalization.tenure?.([make])
      for (let i = 0; i < 1000; i += 1) make(1)
      return isOldAtOnce(make)
    })
  }
})

test('it may be told again and again, and of what makes no arrays', () => {
  const makers = [() => [1], () => ({}), () => new Map()]
  for (let i = 0; i < 100; i += 1) systemFinalization.tenure?.(makers)
  expect(() => runInThisContext('%PretenureAllocationSite([])') as unknown).toThrow(SyntaxError)
})

/** Which flags a program has after Virga has used them for itself. */
const PROGRAM = `
  import { runInNewContext } from 'node:vm'
  const { systemFinalization } = await import(process.argv[1])
  systemFinalization.tenure([(count) => new Array(count)])
  systemFinalization.collect()
  const natives = '(() => { try { return eval("() => %InYoungGeneration({})") instanceof Function } catch { return false } })()'
  console.log(runInNewContext(natives), runInNewContext('typeof gc'))
`
const flagsAfter = (...flags: string[]): string => {
  const module = new URL('../../../runtime/common/finalization-system.ts', import.meta.url).href
  const args = [...flags, '--input-type=module', '--eval', PROGRAM, module]
  return execFileSync(process.execPath, args, { encoding: 'utf8' }).trim()
}

test('flags of the program are left as they were: on', () => {
  expect(flagsAfter('--allow-natives-syntax', '--expose-gc')).toBe('true function')
})

test('flags of the program are left as they were: off', () => {
  expect(flagsAfter()).toBe('false undefined')
})
