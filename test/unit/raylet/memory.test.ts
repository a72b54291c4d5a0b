// Whom the memory monitor ends: the one above its own limit, then the newest that may retry.
import { describe, expect, test } from 'vitest'
import { MEMORY_THRESHOLD } from '../../../runtime/common/limits.ts'
import { aBusyNode, units, type Brain } from './brain.ts'

const GIB = 2 ** 30

/** What a sample brings about: the node's use as a share, and the workers' in GiB. */
function sample(
  brain: Brain,
  usedShare: number,
  gib: Readonly<Record<string, number>> = {},
): string[] {
  const rssBytes = new Map(Object.entries(gib).map(([name, size]) => [brain.id(name), size * GIB]))
  const usedBytes = usedShare * 100 * GIB
  return brain.show(
    brain.send({ kind: 'memory', sample: { usedBytes, totalBytes: 100 * GIB, rssBytes } }),
  )
}

describe('memory', () => {
  test('F64: a worker above the memory of its own lease goes at once', () => {
    const brain = aBusyNode({ resources: { CPU: 2, memory: 4 * GIB } })
    brain.want('driver1', 0, 1, { demand: units({ CPU: 1, memory: GIB }) })
    expect(sample(brain, 0.1, { w1: 0.9 })).toEqual([])
    expect(sample(brain, 0.1, { w1: 1.1 })).toEqual(['SIGKILL w1'])
    expect(brain.show(brain.exit('w1'))[0]).toBe('→ driver1: leaseBroken 1, MEMORY_LIMIT SIGKILL')
  })

  test('a lease without a memory demand has no limit of its own', () => {
    const brain = aBusyNode()
    brain.want('driver1', 0, 1, {})
    expect(sample(brain, MEMORY_THRESHOLD, { w1: 90 })).toEqual([])
  })

  test('F65: under pressure the idle go first, the largest of them', () => {
    const brain = aBusyNode({ resources: { CPU: 3 } })
    brain.want('driver1', 0, 1, {})
    expect(sample(brain, 0.96, { w1: 5, w2: 1, w3: 2 })).toEqual(['SIGKILL w3'])
  })

  test('F65: one that has run its maxCalls goes first as well, and is told by what it is', () => {
    const brain = aBusyNode({ resources: { CPU: 2 } })
    brain.want('driver1', 0, 1, { retriable: false })
    brain.want('driver1', 1, 1, { name: 'busy', retriable: false })
    brain.giveBack('driver1', 1, true)
    expect(sample(brain, 0.96, { w1: 1, w2: 2 })).toEqual(['SIGKILL w1'])
    const { memory } = brain.state.workers.get(brain.id('w1')) ?? {}
    expect(memory?.top.map(({ name }) => name)).toEqual([
      'busy',
      'a worker that is kept for what it owns',
      'an idle worker',
    ])
  })

  test('F65: then the newest whose work may be run again, before any other', () => {
    const brain = aBusyNode({ resources: { CPU: 3 } })
    brain.want('driver1', 0, 1, { retriable: true })
    brain.nowMs += 1
    brain.want('driver1', 1, 1, { retriable: true, name: 'newer' })
    brain.nowMs += 1
    brain.want('driver1', 2, 1, { retriable: false, name: 'precious' })
    for (const classId of [0, 1, 2]) brain.want('driver1', classId, 0)
    const order: string[] = []
    for (let i = 0; i < 3; i += 1) {
      const [line = ''] = sample(brain, 0.96)
      order.push(line)
      brain.exit(line.slice('SIGKILL '.length))
    }
    expect(order).toEqual(['SIGKILL w2', 'SIGKILL w1', 'SIGKILL w3'])
  })

  test('F65: one at a time: the next only when the last is gone', () => {
    const brain = aBusyNode({ resources: { CPU: 3 } })
    expect(sample(brain, 0.96, { w1: 3, w2: 2, w3: 1 })).toEqual(['SIGKILL w1'])
    expect(sample(brain, 0.99)).toEqual([])
    brain.exit('w1')
    expect(sample(brain, 0.96)).toEqual(['SIGKILL w2'])
  })

  test('F64, F65: who hears of it hears who used most, and what the limit was', () => {
    const brain = aBusyNode({ resources: { CPU: 3, memory: 9 * GIB } })
    brain.want('driver1', 0, 1, { name: 'small', retriable: false })
    brain.want('driver1', 1, 1, { name: 'big', retriable: true })
    sample(brain, 0.96, { w1: 1, w2: 40, w3: 0.5 })
    brain.exit('w3')
    sample(brain, 0.96)
    const [broken] = brain.exit('w2')
    expect(broken).toMatchObject({
      message: {
        exit: {
          cause: 'MEMORY_PRESSURE',
          memory: {
            usedBytes: 96 * GIB,
            totalBytes: 100 * GIB,
            limitBytes: undefined,
            top: [
              { name: 'big', rssBytes: 40 * GIB },
              { name: 'small', rssBytes: GIB },
            ],
          },
        },
      },
    })
    brain.want('driver1', 1, 0)
    brain.hello('w4')
    brain.want('driver1', 2, 1, { name: 'limited', demand: units({ CPU: 1, memory: GIB }) })
    sample(brain, 0.1, { w4: 3 })
    const [ended] = brain.exit('w4')
    const limitBytes = GIB + 64 * 1024 * 1024
    expect(ended).toMatchObject({ message: { exit: { memory: { limitBytes } } } })
  })
})
