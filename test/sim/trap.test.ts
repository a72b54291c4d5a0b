// The trap lets nothing of the engine past its ports, and everybody else alone.
import { runInThisContext } from 'node:vm'
import { afterEach, describe, expect, test } from 'vitest'
import { Draw } from './draw.ts'
import { setTraps } from './trap.ts'

let undo: (() => void) | undefined
afterEach(() => {
  undo?.()
  undo = undefined
})

/** Calls `run` from a frame that looks like one of that file. */
function from(file: string, run: string): unknown {
  return runInThisContext(run, { filename: `file:///repo/${file}` }) as unknown
}

describe('trap', () => {
  test.each(['Date.now()', 'Math.random()', 'performance.now()', 'setTimeout(() => {}, 0)'])(
    'throws on %s in the engine',
    (call) => {
      undo = setTraps()
      expect(() => from('runtime/raylet/x.ts', call)).toThrow('past the ports')
      expect(() => from('runtime/common/clock-system.ts', call)).not.toThrow()
      expect(() => from('test/support/x.ts', call)).not.toThrow()
    },
  )

  test('is gone when it is undone', () => {
    const before = Date.now
    setTraps()()
    expect(Date.now).toBe(before)
  })

  test('a draw gives the same numbers for the same seed and purpose only', () => {
    const numbers = (draw: Draw): number[] => [draw.next(), draw.int(1, 6), draw.between(2, 3)]
    expect(numbers(new Draw(7).fork('a'))).toEqual(numbers(new Draw(7).fork('a')))
    expect(numbers(new Draw(7).fork('a'))).not.toEqual(numbers(new Draw(7).fork('b')))
    expect(numbers(new Draw(7).fork('a'))).not.toEqual(numbers(new Draw(8).fork('a')))
  })
})
