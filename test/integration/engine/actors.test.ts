// Actors (issue item 6), over real processes and in the calling process.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ActorAlreadyExistsError,
  ActorDiedError,
  ActorNotFoundError,
  ActorUnavailableError,
  PendingCallsLimitError,
  TaskCancelledError,
  TaskError,
  TaskTimeoutError,
  UsageError,
  cancel,
  exitActor,
  get,
  getActor,
  init,
  kill,
  put,
  shutdown,
} from 'virga'
import * as fn from './functions.ts'
import { collect } from '../../support/collect.ts'
import { isRunning } from '../../support/is-running.ts'
import { caught, until } from '../../support/waiting.ts'

async function isGone(name: string): Promise<boolean> {
  try {
    await getActor(name)
    return false
  } catch (error) {
    expect(error).toBeInstanceOf(ActorNotFoundError)
    return true
  }
}

/** Makes an actor whose only handle is out of reach once this has returned. */
async function makeAndForget(name: string): Promise<void> {
  const counter = fn.RemoteCounter.options({ name }).remote()
  await counter.inc.run()
}

describe.each(['local', 'inline'])('actors, address %s', (address) => {
  beforeAll(async () => {
    await init({ address, numCpus: 2 })
  })
  afterAll(shutdown)

  it('runs the lecture: two increments give 1 and 2', async () => {
    const counter = fn.RemoteCounter.remote()
    expect(await get([counter.inc.remote(), counter.inc.remote()])).toEqual([1, 2])
    await kill(counter)
  })

  it('runs the calls of one caller in order, 1,000 of them', async () => {
    const counter = fn.RemoteCounter.remote()
    const refs = Array.from({ length: 1000 }, () => counter.inc.remote())
    expect(await get(refs)).toEqual(Array.from({ length: 1000 }, (_, i) => i + 1))
    await kill(counter)
  })

  it('keeps that order behind a call that waits for a dependency', async () => {
    const recorder = fn.RemoteRecorder.remote()
    const refs = [
      recorder.add.remote('first'),
      recorder.add.remote(fn.sleep.remote(200)),
      recorder.add.remote('third', 20),
      recorder.add.remote('fourth'),
    ]
    await get(refs)
    expect(await recorder.all.run()).toEqual(['first', 200, 'third', 'fourth'])
    await kill(recorder)
  })

  it('fails a call whose dependency failed, and runs those behind it', async () => {
    const counter = fn.RemoteCounter.remote()
    const broken = counter.inc.remote(fn.throwRange.remote('no number'))
    const next = counter.inc.remote()
    expect((await caught(get(broken), TaskError)).cause).toBeInstanceOf(RangeError)
    expect(await get(next)).toBe(1)
    await kill(counter)
  })

  it('takes constructor arguments as refs, and defaults', async () => {
    const counter = fn.RemoteCounter.remote(fn.square.remote(5))
    expect(await counter.inc.run(2)).toBe(27)
    await kill(counter)
  })

  it('runs one call at a time, so that async methods do not tear its state', async () => {
    const counter = fn.RemoteCounter.remote()
    const refs = Array.from({ length: 5 }, () => counter.slowInc.remote(5))
    expect(await get(refs)).toEqual([1, 2, 3, 4, 5])
    await kill(counter)
  })

  it('runs maxConcurrency calls at a time, async ones too', async () => {
    const gate = fn.RemoteGate.options({ maxConcurrency: 3 }).remote()
    const refs = Array.from({ length: 5 }, () => gate.hold.remote())
    await until(async () => (await gate.now.run()) === 3)
    let opened = 0
    await until(async () => (opened += await gate.open.run()) === 5)
    expect(Math.max(...(await get(refs)))).toBe(3)
    await kill(gate)
  })

  it('keeps the groups of calls apart', async () => {
    const gate = fn.RemoteGate.options({
      concurrencyGroups: { control: 1, wide: 2 },
      methods: {
        open: { concurrencyGroup: 'control' },
        now: { concurrencyGroup: 'control' },
        holdOther: { concurrencyGroup: 'wide' },
      },
    }).remote()
    const refs = Array.from({ length: 3 }, () => gate.hold.remote())
    refs.push(...Array.from({ length: 3 }, () => gate.holdOther.remote()))
    await until(async () => (await gate.now.run()) === 3) // 1 of the default group, 2 of 'wide'
    let opened = 0
    await until(async () => (opened += await gate.open.run()) === 6)
    await get(refs)
    const chosen = gate.hold.options({ concurrencyGroup: 'wide' })
    const wide = [chosen.remote(), chosen.remote(), chosen.remote()]
    await until(async () => (await gate.now.run()) === 2)
    opened = 0
    await until(async () => (opened += await gate.open.run()) === 3)
    await get(wide)
    await kill(gate)
  })

  it('refuses a concurrency group that the actor does not have', async () => {
    expect(() =>
      fn.RemoteGate.options({ methods: { open: { concurrencyGroup: 'nowhere' } } }),
    ).toThrow(UsageError)
  })

  it('hands handles to tasks and takes them from results', async () => {
    const counter = fn.RemoteCounter.remote(10)
    expect(await fn.useCounter.run(counter, 5)).toBe(15)
    expect(await counter.read.run()).toBe(15)
    const holder = fn.RemoteHolder.remote()
    const inner = await holder.counter.run()
    expect(await inner.inc.run()).toBe(101)
    expect(await fn.useCounter.run(inner, 2)).toBe(103)
    await kill(counter)
    await kill(holder)
  })

  it('an actor passed by ref of a handle lives as long as the handle', async () => {
    const boxed = await put({ counter: fn.RemoteCounter.remote(7) })
    collect()
    const { counter } = await get(boxed)
    expect(await counter.inc.run()).toBe(8)
    await kill(counter)
  })

  it('streams what a generator method yields', async () => {
    const counter = fn.RemoteCounter.remote(3)
    const items: number[] = []
    for await (const item of counter.ticks.run(4)) items.push(item)
    expect(items).toEqual([3, 4, 5, 6])
    const refs: number[] = []
    for await (const ref of counter.ticks.remote(2)) refs.push(await get(ref))
    expect(refs).toEqual([3, 4])
    await kill(counter)
  })

  it('gives one ref per value where numReturns says so, in methods and at the call', async () => {
    const counter = fn.SplitCounter.remote(4)
    const [value, text] = counter.split.remote()
    expect(await get([value, text])).toEqual([4, 'x'])
    const plain = fn.RemoteCounter.remote(5)
    const [first, second] = plain.split.options({ numReturns: 2 }).remote()
    expect(await get([first, second])).toEqual([5, 'x'])
    expect(plain.inc.options({ numReturns: 0 }).remote()).toBeUndefined()
    await until(async () => (await plain.read.run()) === 6)
    await kill(counter)
    await kill(plain)
  })

  it('throws what a method threw; the actor lives on', async () => {
    const counter = fn.RemoteCounter.remote()
    const error = await caught(counter.fail.run(), TaskError)
    expect(error.cause).toBeInstanceOf(RangeError)
    expect(await counter.inc.run()).toBe(1)
    await kill(counter)
  })

  it('retries exceptions of methods only under retryExceptions', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'virga-test-'))
    const mortal = fn.RemoteMortal.remote(join(folder, 'runs'))
    await caught(mortal.failUntil.run(2), TaskError)
    const retried = mortal.failUntil.options({ maxTaskRetries: 2, retryExceptions: true })
    expect(await retried.run(3)).toBe(3)
    await kill(mortal)
    rmSync(folder, { recursive: true })
  })

  it('a failed constructor is final: every call and create() hear why', async () => {
    const broken = fn.RemoteBroken.options({ maxRestarts: 5 }).remote()
    const refs = [broken.use.remote(), broken.use.remote()]
    for (const ref of refs) {
      const error = await caught(get(ref), ActorDiedError)
      expect(error.message).toContain('no such thing')
      expect((error.cause as Error).cause).toBeInstanceOf(RangeError)
      expect(error.data).toMatchObject({ mayHaveRun: false })
    }
    await caught(broken.use.run(), ActorDiedError)
    await caught(fn.RemoteBroken.create(), ActorDiedError)
  })

  it('a constructor whose argument failed never runs, and callers hear of the argument', async () => {
    const counter = fn.RemoteCounter.remote(fn.throwRange.remote('no start'))
    expect((await caught(counter.inc.run(), TaskError)).cause).toBeInstanceOf(RangeError)
    await caught(fn.RemoteCounter.create(fn.throwRange.remote('no start')), TaskError)
  })

  it('create() resolves once it is constructed', async () => {
    const counter = await fn.RemoteCounter.create(3)
    expect(await counter.read.run()).toBe(3)
    await kill(counter)
  })

  it('finds actors by name, in their namespace only', async () => {
    const counter = fn.RemoteCounter.options({ name: 'shared', namespace: 'one' }).remote(20)
    await counter.inc.run()
    const found = await getActor<typeof fn.Counter>('shared', { namespace: 'one' })
    expect(await found.inc.run()).toBe(22)
    const typed = await fn.RemoteCounter.get('shared', { namespace: 'one' })
    expect(await typed.inc.run()).toBe(23)
    await caught(getActor('shared'), ActorNotFoundError)
    await kill(counter)
    await caught(getActor('shared', { namespace: 'one' }), ActorNotFoundError)
  })

  it('getIfExists finds the living one, and its constructor does not run again', async () => {
    const made = fn.RemoteCounter.options({ name: 'once', getIfExists: true })
    const [a, b] = [made.remote(1), made.remote(1000)]
    await get([a.inc.remote(), b.inc.remote()])
    expect(await made.remote(5).read.run()).toBe(3)
    await kill(b)
    await caught(a.inc.run(), ActorDiedError)
    expect(await made.remote(50).read.run()).toBe(50)
  })

  it('getIfExists: a handle that is sent on before anything was found is one of the living actor', async () => {
    const made = fn.RemoteCounter.options({ name: 'sent on', getIfExists: true })
    const first = made.remote(1)
    await first.inc.run()
    expect(await fn.useCounter.run(made.remote(1000), 1)).toBe(3)
    expect(await fn.useCounter.run(await put(made.remote(1000)), 1)).toBe(4)
    await kill(first)
  })

  it('frees a name with its actor', async () => {
    const named = fn.RemoteCounter.options({ name: 'taken' })
    const first = named.remote(1)
    await first.inc.run()
    await caught(named.remote(2).inc.run(), ActorAlreadyExistsError)
    await kill(first)
    expect(await named.remote(3).read.run()).toBe(3)
  })

  it('kill ends it: pending and later calls fail with ActorDiedError', async () => {
    const gate = fn.RemoteGate.remote()
    const refs = [gate.hold.remote(), gate.hold.remote()]
    await until(async () => (await gate.now.run()) === 1)
    await kill(gate)
    for (const ref of refs) await caught(get(ref), ActorDiedError)
    const error = await caught(gate.now.run(), ActorDiedError)
    expect(error.message).toContain('kill()')
  })

  it('exitActor ends it from inside, and callers hear that it did so itself', async () => {
    expect(() => exitActor()).toThrow(UsageError)
    const counter = fn.RemoteCounter.options({ maxRestarts: 3 }).remote()
    expect(await counter.inc.run()).toBe(1)
    const error = await caught(counter.leave.run(), ActorDiedError)
    expect(error.message).toContain('exitActor()')
    const later = await caught(counter.inc.run(), ActorDiedError)
    expect(later.message).toContain('exitActor()')
  })

  it('refuses more pending calls than maxPendingCalls, at the call', async () => {
    const gate = fn.RemoteGate.options({ maxPendingCalls: 2 }).remote()
    const held = gate.hold.remote()
    gate.hold.remote()
    expect(() => gate.hold.remote()).toThrow(PendingCallsLimitError)
    await cancel(held)
    await caught(get(held), TaskCancelledError)
    await kill(gate)
  })

  it('cancels a call that waits for its turn; it never runs', async () => {
    const gate = fn.RemoteGate.remote()
    const first = gate.hold.remote()
    const second = gate.hold.remote()
    await until(async () => (await gate.now.run()) === 1)
    await cancel(second)
    await caught(get(second), TaskCancelledError)
    expect(await gate.open.run()).toBe(1)
    await get(first)
    expect(await gate.now.run()).toBe(0)
    await kill(gate)
  })

  it('a call over its timeoutMs fails and the actor stays', async () => {
    const gate = fn.RemoteGate.remote()
    await caught(gate.hold.options({ timeoutMs: 50 }).run(), TaskTimeoutError)
    expect(await gate.now.run()).toBe(1)
    await kill(gate)
  })

  it('ends with its last handle, once that is collected', async () => {
    await makeAndForget('forgotten')
    await until(async () => {
      collect()
      return isGone('forgotten')
    })
  })

  it('lives on as long as a task holds a handle', async () => {
    const counter = fn.RemoteCounter.options({ name: 'held' }).remote()
    const holding = fn.useLater.remote(counter, 300)
    collect()
    expect(await get(holding)).toBe(1)
    await kill(counter)
  })
})

describe('actors over processes', () => {
  let folder = ''
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'virga-test-'))
    await init({ address: 'local', numCpus: 2, resources: { seat: 1 } })
  })
  afterAll(async () => {
    await shutdown()
    rmSync(folder, { recursive: true })
  })

  it('F12 restarts with its constructor run again: a new incarnation that knows it', async () => {
    const counter = fn.RemoteCounter.options({ maxRestarts: 1 }).remote(40)
    expect(await counter.inc.run()).toBe(41)
    expect(await counter.restarted.run()).toBe(false)
    const pid = await counter.pid.run()
    const crashing = counter.crash.remote()
    const behind = counter.inc.remote()
    const error = await caught(get(crashing), ActorUnavailableError)
    expect(error.data).toMatchObject({ mayHaveRun: 'unknown' })
    await get(behind).catch((unknown: unknown) => {
      expect(unknown).toBeInstanceOf(ActorUnavailableError)
    })
    expect(await counter.restarted.run()).toBe(true)
    expect(await counter.pid.run()).not.toBe(pid)
    expect(await counter.read.run()).toBeLessThanOrEqual(41)
    await caught(counter.crash.run(), ActorDiedError)
    const died = await caught(counter.inc.run(), ActorDiedError)
    expect(died.message).toContain('SIGKILL')
  })

  it('getIfExists: calls go by the maxTaskRetries of the actor that is found', async () => {
    const file = join(folder, 'found')
    const named = { name: 'found', getIfExists: true, maxRestarts: -1 } as const
    const first = fn.RemoteMortal.options(named).remote(file)
    await first.pid.run()
    const found = fn.RemoteMortal.options({ ...named, maxTaskRetries: 5 }).remote(file)
    await caught(found.dieUntil.run(2), ActorUnavailableError)
    expect(await found.dieUntil.options({ maxTaskRetries: 5 }).run(4)).toBe(4)
    await kill(first)
  })

  it('retries calls that were under way under maxTaskRetries, until they are used up', async () => {
    const mortal = fn.RemoteMortal.options({ maxRestarts: -1, maxTaskRetries: 3 }).remote(
      join(folder, 'retried'),
    )
    expect(await mortal.dieUntil.run(3)).toBe(3)
    const never = mortal.dieUntil.options({ maxTaskRetries: 1 })
    await caught(never.run(1000), ActorUnavailableError)
    expect(await mortal.restarted.run()).toBe(true)
    await kill(mortal)
  })

  it('kill with noRestart: false uses up a restart, and what is called next meets the new life', async () => {
    const counter = fn.RemoteCounter.options({ maxRestarts: 5 }).remote()
    const pids = new Set([await counter.pid.run()])
    for (let i = 0; i < 5; i += 1) {
      await kill(counter, { noRestart: false })
      pids.add(await counter.pid.run())
    }
    expect(pids.size).toBe(6)
    expect(await counter.restarted.run()).toBe(true)
    await kill(counter, { noRestart: false })
    await caught(counter.pid.run(), ActorDiedError)
  })

  it('more actors than CPUs run side by side: a living actor needs none', async () => {
    const counters = Array.from({ length: 5 }, (_, i) => fn.RemoteCounter.remote(i))
    expect(await get(counters.map((counter) => counter.inc.remote()))).toEqual([1, 2, 3, 4, 5])
    expect(await fn.square.run(3)).toBe(9)
    for (const counter of counters) await kill(counter)
  })

  it('its process ends with its last handle', async () => {
    const pid = await pidOfForgotten()
    await until(() => {
      collect()
      return !isRunning(pid)
    })
  })

  it('an actor that nobody can reach makes room for the next one, by itself', async () => {
    const useOnce = (): Promise<number> =>
      fn.RemoteCounter.options({ resources: { seat: 1 } })
        .remote()
        .inc.run()
    expect(await useOnce()).toBe(1)
    expect(await useOnce()).toBe(1)
  })

  it('a detached actor outlives its creator within the cluster', async () => {
    await fn.makesDetached.run('lasting', 5)
    const found = await getActor<typeof fn.Counter>('lasting')
    expect(await found.inc.run()).toBe(6)
    expect(await fn.pidOf.options({ maxCalls: 1 }).run()).toBeGreaterThan(0)
    expect(await found.inc.run()).toBe(7)
    await kill(found)
  })

  it('an actor ends with the worker that made it and is not detached', async () => {
    const holder = fn.RemoteHolder.remote()
    const inner = await holder.counter.run()
    await inner.inc.run()
    await caught(holder.crash.run(), ActorDiedError)
    await until(async () => {
      try {
        await inner.inc.run()
        return false
      } catch (error) {
        expect(error).toBeInstanceOf(ActorDiedError)
        return true
      }
    })
  })
})

async function pidOfForgotten(): Promise<number> {
  const counter = fn.RemoteCounter.remote()
  return counter.pid.run()
}
