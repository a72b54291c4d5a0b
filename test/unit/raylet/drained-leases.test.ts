// What a home says of a lease whose node leaves before its task has ended.
import { expect, test } from 'vitest'
import { units } from './brain.ts'
import { SeveralBrains } from './several-brains.ts'

test.each([
  ['may run anywhere', false, 1, true],
  ['is bound to it softly', true, 1, true],
  ['is bound to it', false, 0, undefined],
] as const)(
  'F06: the node of a task leaves before it has ended: it goes on elsewhere if it %s',
  (what, isSoft, otherCpus, goesOn) => {
    const brains = new SeveralBrains([otherCpus, 1].map((CPU) => ({ resources: units({ CPU }) })))
    brains.driver('d')
    const isFree = what === 'may run anywhere'
    if (isFree) brains.want('d', 2)
    else
      brains.want('d', 1, {
        strategy: { kind: 'NODE_AFFINITY', nodeId: brains.at(1).id, soft: isSoft },
      })
    brains.drain(1)
    const [worker] = brains.at(1).state.workers.values()
    if (worker === undefined) throw new Error('it has no worker')
    const { workerId } = worker
    const exit = { workerId, pid: 2, code: null, signal: 'SIGKILL', peakRssBytes: 0 } as const
    brains.send(brains.at(1), { kind: 'workerExited', exit: { ...exit, stderrTail: [] } })
    brains.settle()
    expect(brains.at(0).broken).toMatchObject([{ error: { code: 'ERR_NODE_DIED' } }])
    expect(brains.at(0).broken[0]?.goesOn).toBe(goesOn)
  },
)

test.each([
  ['of several', 2, [1, 0]],
  ['the only one', 1, [0, 1]],
] as const)(
  'DR3: what runs at a node that drains submits a task that asks for nothing; the node is %s',
  (_, count, [asked, refused]) => {
    const brains = new SeveralBrains(
      Array.from({ length: count }, () => ({ resources: units({ CPU: 1 }) })),
    )
    brains.driver('d')
    brains.want('d', 1)
    brains.drain(0)
    const [worker] = brains.at(0).state.workers.values()
    if (worker === undefined) throw new Error('it has no worker')
    const before = brains.at(0).refused.length
    brains.want(worker.workerId, 1, { demand: {} })
    expect(brains.askedCount).toBe(asked)
    expect(brains.at(0).refused.length - before).toBe(refused)
  },
)

test('F06: what waits for a node that it is bound to is told that it cannot run there once that leaves', () => {
  const brains = new SeveralBrains([1, 1].map((CPU) => ({ resources: units({ CPU }) })))
  brains.driver('d')
  const nodeId = brains.at(1).id
  brains.want('d', 2, { strategy: { kind: 'NODE_AFFINITY', nodeId, soft: false } })
  brains.drain(1)
  expect(brains.at(0).refused.at(-1)).toContain('is being shut down')
  for (const reason of brains.at(0).refused) expect(reason).toContain('is bound to a node')
})
