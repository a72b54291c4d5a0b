// Calls with so many arguments that these are sent in parts, ahead of the push.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { get, put } from '../../../sdk/get-put-wait.ts'
import { MemoryCluster } from '../../support/memory-cluster.ts'
import * as fn from './ref-functions.ts'

const COUNT = 300
const TEXT_CHARS = 20_000

let cluster: MemoryCluster

beforeEach(async () => {
  cluster = await MemoryCluster.start({ numCpus: 1 })
})
afterEach(() => cluster.stop())

const text = (i: number): string => String(i).padEnd(TEXT_CHARS + i, '.')
const texts = (): string[] => Array.from({ length: COUNT }, (_, i) => text(i))

describe('a large record', () => {
  it('brings all of its arguments, in order, whatever they are', () =>
    cluster.run(async () => {
      // The second time its function is known there: its arguments are decoded as they come.
      for (let round = 0; round < 2; round += 1) {
        const stored = await put(fn.nodeOf(7, [], true))
        const small = fn.build.remote(fn.nodeOf(8, [], false))
        const args = texts().flatMap((each, i) => {
          const refs = [stored, small]
          return [
            each,
            ...(i % 50 === 0 ? refs : []),
            fn.nodeOf(i, i % 20 === 0 ? refs : [], false),
          ]
        })
        const expected = texts().flatMap(({ length }, i) => [
          length,
          ...(i % 50 === 0 ? [7, 8] : []),
          i % 20 === 0 ? i + 7 + 8 : i,
        ])
        expect(await fn.seen.run(...args)).toEqual(expected)
      }
    }))

  it('waits, as it came, behind what runs there; also beside other large ones', () =>
    cluster.run(async () => {
      await fn.seen.run('it is known')
      const calls = Array.from({ length: 5 }, () => fn.seen.remote(...texts()))
      const lengths = texts().map(({ length }) => length)
      expect(await get(calls)).toEqual(calls.map(() => lengths))
    }))
})
