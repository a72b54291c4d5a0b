// Where work can never run is told at once, with the nearest miss (issue item 7); affinity and
// labels choose among nodes, of which there is one here.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ActorUnschedulableError,
  InfeasibleError,
  TaskUnschedulableError,
  get,
  init,
  nodeAffinity,
  nodes,
  shutdown,
} from 'virga'
import * as fn from './functions.ts'
import { caught } from '../../support/waiting.ts'

const NOWHERE = 'f'.repeat(28)

async function atOnce<E extends Error>(
  promise: Promise<unknown>,
  type: abstract new (...args: never[]) => E,
): Promise<E> {
  const startMs = Date.now()
  const error = await caught(promise, type)
  expect(Date.now() - startMs).toBeLessThan(2000)
  return error
}

describe.each(['local', 'inline'])('placement on one node, address %s', (address) => {
  let nodeId = ''
  beforeAll(async () => {
    await init({
      address,
      numCpus: 2,
      numGpus: 1,
      resources: { license: 3 },
      labels: { zone: 'a', kind: 'fast' },
    })
    nodeId = (await nodes())[0]?.nodeId ?? ''
  })
  afterAll(shutdown)

  it.each([
    ['CPUs', { numCpus: 3 }, 'CPU'],
    ['GPUs', { numGpus: 2 }, 'GPU'],
    ['memory', { memoryBytes: 2 ** 49 }, 'memory'],
    ['a custom resource', { resources: { license: 4 } }, 'license'],
    ['a resource that no node has', { resources: { licence: 1 } }, 'licence'],
  ])('too many %s: InfeasibleError for tasks and actors, naming it', async (_, options, name) => {
    const task = await atOnce(fn.square.options(options).run(1), InfeasibleError)
    expect(task.message).toContain(name)
    expect(task.data).toMatchObject({ nearest: expect.stringContaining(name) as string })
    const actor = fn.RemoteCounter.options(options).remote()
    expect((await atOnce(actor.inc.run(), InfeasibleError)).message).toContain(name)
    await atOnce(fn.RemoteCounter.options(options).create(), InfeasibleError)
  })

  it('each of several functions that ask for the same is told by its own name', async () => {
    const tooMuch = { numCpus: 3 }
    const [square, sleep, again] = await Promise.allSettled([
      fn.square.options(tooMuch).run(1),
      fn.sleep.options(tooMuch).run(1),
      fn.square.options(tooMuch).run(2),
    ])
    const told = (end: PromiseSettledResult<unknown>) => 'reason' in end && String(end.reason)
    expect(told(square)).toMatch(/^InfeasibleError: square can never run here: /)
    expect(told(sleep)).toMatch(/^InfeasibleError: sleep can never run here: /)
    expect(told(again)).toBe(told(square))
    const actor = fn.RemoteCounter.options(tooMuch).create()
    const error = await caught(actor, InfeasibleError)
    expect(error.message).toMatch(/^Counter can never run here: /)
  })

  it('what fits only alone waits, and runs', async () => {
    const wide = fn.sleep.options({ numCpus: 2 })
    expect(await get([fn.sleep.remote(100), wide.remote(1), fn.sleep.remote(2)])).toEqual([
      100, 1, 2,
    ])
    expect(
      await get(
        Array.from({ length: 4 }, () => fn.square.options({ resources: { license: 3 } }).remote(2)),
      ),
    ).toEqual([4, 4, 4, 4])
  })

  it('fractions of a CPU run side by side', async () => {
    const half = fn.sleep.options({ numCpus: 0.5 })
    expect(await get([1, 2, 3, 4].map((ms) => half.remote(ms)))).toEqual([1, 2, 3, 4])
  })

  it('hard affinity to this node runs here; to another it is unschedulable, at once', async () => {
    const here = { schedulingStrategy: nodeAffinity(nodeId) }
    expect(await fn.square.options(here).run(3)).toBe(9)
    expect(await fn.RemoteCounter.options(here).remote().inc.run()).toBe(1)
    const there = { schedulingStrategy: nodeAffinity(NOWHERE) }
    const error = await atOnce(fn.square.options(there).run(1), TaskUnschedulableError)
    expect(error.message).toContain('soft')
    await atOnce(fn.RemoteCounter.options(there).create(), ActorUnschedulableError)
  })

  it('hard affinity to a node that is too small is unschedulable', async () => {
    const options = { schedulingStrategy: nodeAffinity(nodeId), numCpus: 16 }
    await atOnce(fn.square.options(options).run(1), TaskUnschedulableError)
  })

  it('soft affinity to a node that is not there runs elsewhere', async () => {
    const soft = { schedulingStrategy: nodeAffinity(NOWHERE, { soft: true }) }
    expect(await fn.square.options(soft).run(3)).toBe(9)
    expect(await fn.RemoteCounter.options(soft).remote().inc.run()).toBe(1)
  })

  it('labels choose the node; those that no node has are infeasible, and named', async () => {
    expect(await fn.square.options({ labelSelector: { zone: 'a' } }).run(2)).toBe(4)
    expect(await fn.square.options({ labelSelector: { zone: '!b' } }).run(2)).toBe(4)
    const error = await atOnce(
      fn.square.options({ labelSelector: { zone: 'b' } }).run(2),
      InfeasibleError,
    )
    expect(error.message).toContain('zone')
  })

  it('fallbackLabelSelectors are tried in turn', async () => {
    const options = { labelSelector: { zone: 'b' }, fallbackLabelSelectors: [{ kind: 'fast' }] }
    expect(await fn.square.options(options).run(2)).toBe(4)
    const none = { labelSelector: { zone: 'b' }, fallbackLabelSelectors: [{ kind: 'slow' }] }
    await atOnce(fn.square.options(none).run(2), InfeasibleError)
  })
})
