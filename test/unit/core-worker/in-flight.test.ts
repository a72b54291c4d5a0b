// Tasks in flight: a ring that behaves as a Map by sequence number does.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InFlight } from '../../../runtime/core-worker/in-flight.ts'

describe('InFlight', () => {
  it('gives what a Map would, in whatever order tasks are answered', () => {
    const pushes = fc.integer({ min: 1, max: 300 }).map((count) => ({ push: count }))
    // Where among those in flight the answers begin, and how many there are. Nearly all at times:
    // those that are left stay behind, in a ring that was larger or will be.
    const answers = fc.record({
      from: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 0.02 })),
      take: fc.oneof(fc.nat(300), fc.constant(10_000)),
    })
    fc.assert(
      fc.property(fc.array(fc.oneof(pushes, answers), { maxLength: 60 }), (steps) => {
        const window = new InFlight<string>()
        const model = new Map<number, string>()
        let pushed = 0
        for (const step of steps) {
          if ('push' in step) {
            for (let i = 0; i < step.push; i += 1) {
              const task = `task ${String(pushed++)}`
              model.set(window.push(task), task)
            }
          } else {
            const seqs = [...model.keys()]
            const from = Math.floor(step.from * seqs.length)
            for (const seq of seqs.slice(from, from + step.take)) {
              expect(window.get(seq)).toBe(model.get(seq))
              expect(window.take(seq)).toBe(model.get(seq))
              expect(window.take(seq)).toBeUndefined()
              model.delete(seq)
            }
          }
          expect(window.size).toBe(model.size)
          expect(window.firstSeq()).toBe([...model.keys()][0])
        }
        expect([...window.entries()]).toEqual([...model])
        for (const seq of model.keys()) window.take(seq)
        expect(window.size).toBe(0)
        expect(window.firstSeq()).toBeUndefined()
      }),
    )
  })

  it('keeps a call that never ends, in little room, while millions pass it', () => {
    const window = new InFlight<string>()
    const loop = window.push('loop')
    for (let i = 0; i < 1_000_000; i += 1) window.take(window.push('short'))
    expect(window.firstSeq()).toBe(loop)
    expect(window.size).toBe(1)
    expect([...window.entries()]).toEqual([[loop, 'loop']])
    expect(window.take(loop)).toBe('loop')
  })

  it('finds a call that stayed behind in a small ring, whenever that grows', () => {
    for (let shortCount = 60; shortCount < 70; shortCount += 1) {
      for (let manyCount = 0; manyCount < 300; manyCount += 1) {
        const window = new InFlight<string>()
        const slow = window.push('slow')
        for (let i = 0; i < shortCount; i += 1) window.take(window.push('short'))
        const seqs = Array.from({ length: manyCount }, () => window.push('one of many'))
        expect(window.firstSeq()).toBe(slow)
        expect(window.take(slow)).toBe('slow')
        for (const seq of seqs) expect(window.take(seq)).toBe('one of many')
        expect(window.size).toBe(0)
        expect(window.firstSeq()).toBeUndefined()
      }
    }
  })

  it('knows nothing of numbers that were never given', () => {
    const window = new InFlight<string>()
    window.push('only')
    for (const seq of [-1, 1, 64, 2 ** 40]) {
      expect(window.get(seq)).toBeUndefined()
      expect(window.take(seq)).toBeUndefined()
    }
    expect(window.size).toBe(1)
  })
})
