// Messages that come late: each connection holds back each of its frames for a drawn while, so what
// travels over different connections arrives in any order.
import { describe, expect, it } from 'vitest'
import { TaskCancelledError } from '../../../runtime/common/errors.ts'
import { cancel, get } from '../../../sdk/get-put-wait.ts'
import { MemoryCluster } from '../../support/memory-cluster.ts'
import { seeded } from '../../support/seeded.ts'
import * as fn from './ref-functions.ts'

const TURNS_MAX = 12

async function onLateNetwork(seed: number, run: () => Promise<void>): Promise<void> {
  const random = seeded(seed)
  const delayTurns = (): number => Math.floor(random() * TURNS_MAX)
  const cluster = await MemoryCluster.start({ numCpus: 3, delayTurns })
  try {
    await cluster.run(run)
  } finally {
    await cluster.stop()
  }
}

const seeds = Array.from({ length: 10 }, (_, index) => [index + 1] as const)

describe.each(seeds)('on a network that holds back what it likes, seed %i', (seed) => {
  it('F20: the calls of each caller run in its order, and every answer is that of its call', async () => {
    await onLateNetwork(seed, async () => {
      const journal = fn.RemoteJournal.remote()
      const callers = ['a', 'b', 'c']
      const others = callers.map((name) => fn.writes.remote(journal, name, 20))
      const own = await get(Array.from({ length: 20 }, (_, i) => journal.add.remote(`own ${i}`)))
      await get(others)
      const lines = await journal.lines.run()
      expect(lines).toHaveLength(80)
      for (const name of ['own', ...callers]) {
        const of = lines.filter((line) => line.startsWith(name))
        expect(of).toEqual(Array.from({ length: 20 }, (_, i) => `${name} ${i}`))
      }
      expect(own.map((at) => lines[at - 1])).toEqual(own.map((_, i) => `own ${i}`))
    })
  })

  it('F22: a reply that comes after the cancel is dropped, and frees what it held', async () => {
    let told = 0
    await onLateNetwork(seed, async () => {
      for (let turns = 0; turns < 4 * TURNS_MAX; turns += 1) {
        const ref = fn.echo.remote('late')
        for (let i = 0; i < turns; i += 1) await new Promise(setImmediate)
        await cancel(ref)
        const first = await get(ref).catch((error: unknown) => error)
        if (first !== 'late') expect(first).toBeInstanceOf(TaskCancelledError)
        if (first !== 'late') told += 1
        expect(await fn.echo.run('next')).toBe('next')
        // What it once was it stays, whatever has arrived by now.
        expect(await get(ref).catch((error: unknown) => error)).toBe(first)
      }
    })
    expect(told).toBeGreaterThan(0)
  })
})
