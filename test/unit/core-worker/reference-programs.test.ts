// Reference counting as programs see it: random programs that pass refs inside values through put,
// tasks, actors and streams, on a network that delays each connection by itself. While a ref
// exists its value is there (B1); once none does, everything is freed (B2).
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ActorDiedError,
  ActorUnavailableError,
  OwnerDiedError,
  TaskError,
  WorkerCrashedError,
} from '../../../runtime/common/errors.ts'
import { systemFinalization } from '../../../runtime/common/finalization-system.ts'
import { toHex } from '../../../runtime/common/ids.ts'
import type { ObjectRef } from '../../../runtime/common/surface.ts'
import { get, put } from '../../../sdk/get-put-wait.ts'
import { MemoryCluster, type MemoryWorker } from '../../support/memory-cluster.ts'
import { scaled } from '../../support/scale.ts'
import { caught, until } from '../../support/waiting.ts'
import * as fn from './ref-functions.ts'

/** What a value must be: its id, and those of the refs inside. */
interface Model {
  readonly id: number
  readonly refs: readonly Model[]
}
interface Held {
  readonly ref: ObjectRef<fn.Node>
  readonly model: Model
}

type How =
  | 'fail'
  | 'put'
  | 'build'
  | 'relabel'
  | 'putThere'
  | 'nest'
  | 'stream'
  | 'actor'
  | 'drop'
  | 'read'
interface Step {
  readonly how: How
  /** Which of the held refs go into the value. */
  readonly picks: readonly number[]
  readonly large: boolean
}

const HOWS: readonly How[] = [
  'put',
  'build',
  'relabel',
  'putThere',
  'nest',
  'stream',
  'actor',
  'fail',
  'drop',
  'read',
]
const steps = fc.array(
  fc.record({
    how: fc.constantFrom(...HOWS),
    picks: fc.array(fc.nat(20), { maxLength: 2 }),
    large: fc.boolean(),
  }),
  { minLength: 3, maxLength: 14 },
)

class Program {
  readonly #held: Held[] = []
  readonly #holder = fn.RemoteHolder.remote()
  #nextId = 1

  async run(all: readonly Step[]): Promise<void> {
    for (const step of all) await this.#step(step)
    for (const held of this.#held) await verify(held, 4)
  }

  /** The same while `dies` ends a process now and then: what was lost with it says so. */
  async survive(all: readonly Step[], dies: () => void): Promise<void> {
    for (const step of all) {
      dies()
      await this.#step(step).catch(isOfDeath)
    }
    for (const held of this.#held) await verify(held, 4).catch(isOfDeath)
  }

  async #step({ how, picks, large }: Step): Promise<void> {
    const id = this.#nextId++
    const held = this.#held
    const chosen = picks.flatMap((pick) => held[pick % Math.max(1, held.length)] ?? [])
    const node = fn.nodeOf(
      id,
      chosen.map((each) => each.ref),
      large,
    )
    const model: Model = { id, refs: chosen.map((each) => each.model) }
    const outer = { id: id + 1000, refs: [model] }
    switch (how) {
      case 'put':
        held.push({ ref: await put(node), model })
        return
      case 'build':
        held.push({ ref: fn.build.remote(node), model })
        return
      case 'relabel': {
        const [first] = chosen
        if (first === undefined) return
        const ref = fn.relabel.remote(first.ref, id)
        held.push({ ref, model: { id, refs: first.model.refs } })
        return
      }
      case 'putThere':
        held.push({ ref: fn.putThere.remote(node, outer.id), model: outer })
        return
      case 'nest':
        held.push({ ref: fn.nest.remote(node, outer.id), model: outer })
        return
      case 'stream':
        for await (const ref of fn.items.remote([node, node])) {
          held.push({ ref, model: { id, refs: [...model.refs, { id: -id, refs: [] }] } })
        }
        return
      case 'actor':
        await this.#holder.keep.run(node)
        held.push({ ref: this.#holder.give.remote(id) as ObjectRef<fn.Node>, model })
        expect(await this.#holder.idsBelow.run(id)).toEqual(model.refs.map((each) => each.id))
        await this.#holder.drop.run(id)
        return
      case 'fail': {
        const { cause } = await caught(fn.fails.run(node), TaskError)
        const thrown = (cause as { node: fn.Node }).node
        for (const [i, each] of model.refs.entries()) {
          await verify({ ref: thrown.refs[i] as ObjectRef<fn.Node>, model: each }, 2)
        }
        return
      }
      case 'drop':
        for (const { ref } of held.splice(0, Math.ceil(held.length / 2))) ref.free()
        return
      case 'read':
        for (const each of chosen) await verify(each, 4)
    }
  }
}

const OF_DEATH = [ActorDiedError, ActorUnavailableError, OwnerDiedError, WorkerCrashedError]

/** Never that an object was freed or is not known: its owner died, or it must be there. */
function isOfDeath(error: unknown): void {
  const root = error instanceof TaskError ? error.cause : error
  if (root instanceof TaskError) isOfDeath(root)
  else if (!OF_DEATH.some((type) => root instanceof type)) throw error
}

/** The value and, to that depth, those it refers to. */
async function verify({ ref, model }: Held, depth: number): Promise<void> {
  const node = await get(ref)
  expect({ id: node.id, count: node.refs.length }).toEqual({
    id: model.id,
    count: model.refs.length,
  })
  if (depth === 0) return
  for (const [i, each] of model.refs.entries()) {
    await verify({ ref: node.refs[i] as ObjectRef<fn.Node>, model: each }, depth - 1)
  }
}

const processesOf = (cluster: MemoryCluster): readonly MemoryWorker[] => [
  ...cluster.workers.values(),
  { name: 'driver', worker: cluster.driver },
]

const isEmpty = ({ worker }: MemoryWorker): boolean => {
  const { tracked, lent } = worker.references.counts()
  return tracked + lent === 0
}

/** Whatever any process still counts, and why, or the store keeps. */
function leftIn(cluster: MemoryCluster): Record<string, unknown> {
  const left: Record<string, unknown> = { stored: cluster.store.stats().objectCount }
  for (const { name, worker } of processesOf(cluster).filter((each) => !isEmpty(each))) {
    const { references, handoffs, execution } = worker
    left[name] = {
      id: toHex(worker.options.workerId),
      counted: references.counted(),
      isRegistering: references.settled() !== undefined,
      handsOver: handoffs.isOpen,
      running: execution?.executor.runningCount ?? 0,
    }
  }
  return left
}

async function everythingFreed(cluster: MemoryCluster): Promise<void> {
  await until(() => {
    systemFinalization.collect()
    return cluster.store.stats().objectCount === 0 && processesOf(cluster).every(isEmpty)
  }).catch(() => {
    expect(leftIn(cluster)).toEqual({ stored: 0 })
  })
}

describe('references', () => {
  it('no random program finds a value freed early, and all is freed in the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.array(fc.nat(6), { minLength: 20, maxLength: 20 }),
        async (all, delays) => {
          let turn = 0
          const cluster = await MemoryCluster.start({
            delayTurns: () => delays[turn++ % delays.length] as number,
          })
          try {
            await cluster.run(() => new Program().run(all))
            await everythingFreed(cluster)
          } finally {
            await cluster.stop()
          }
        },
      ),
      { numRuns: scaled(100, 8), seed: 1 },
    )
  }, 300_000)

  it('nor does one whose processes die: what is lost is told by its owner or its worker', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.array(fc.nat(11), { minLength: 14 }), async (all, deaths) => {
        const cluster = await MemoryCluster.start()
        let at = 0
        const dies = (): void => {
          const names = [...cluster.workers.keys()]
          // A worker at a third of the steps, if there is one.
          const name = names[deaths[at++ % deaths.length] as number]
          if (name !== undefined) cluster.kill(name)
        }
        try {
          await cluster.run(() => new Program().survive(all, dies))
          await everythingFreed(cluster)
        } finally {
          await cluster.stop()
        }
      }),
      { numRuns: scaled(100, 8), seed: 1 },
    )
  }, 300_000)
})
