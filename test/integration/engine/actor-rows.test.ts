// What Ray's actors do, row by row, where no other test says it: restarts, retries, order, streams,
// cancellation and ends of actors over real processes.
import { statSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  ActorDiedError,
  ActorNotFoundError,
  ActorUnavailableError,
  TaskCancelledError,
  TaskError,
  UsageError,
  cancel,
  get,
  getActor,
  init,
  kill,
  shutdown,
} from 'virga'
import * as fn from './actor-row-functions.ts'
import { linesOf, textFiles } from '../../support/text-files.ts'
import { caught, until } from '../../support/waiting.ts'

const aFile = textFiles()
beforeAll(async () => {
  await init({ address: 'local', numCpus: 2 })
})
afterAll(shutdown)

describe('maxRestarts', () => {
  it('a constructor that throws in a later life is final, restarts left or not', async () => {
    const actor = fn.RemoteOneLife.options({ maxRestarts: 5 }).remote(aFile())
    expect(await actor.use.run()).toBe(1)
    await actor.exit.run().catch(() => undefined)
    await until(async () => {
      const error: unknown = await actor.use.run().catch((thrown: unknown) => thrown)
      return error instanceof ActorDiedError && error.message.includes('no second life')
    })
  })

  it('an exit with code 0 inside a method counts as a death, and is told with its code', async () => {
    const file = aFile()
    const actor = fn.RemoteLives.options({ maxRestarts: 1 }).remote(file)
    const error = await caught(actor.exit.run(0), ActorUnavailableError)
    expect(error.message).toContain('Lives.exit')
    expect(await actor.context.run()).toMatchObject({ wasRestarted: true })
    await caught(actor.exit.run(0), ActorDiedError)
    const died = await caught(actor.context.run(), ActorDiedError)
    expect(died.message).toMatch(/exit code 0.*its restarts are used up/)
    expect(linesOf(file)).toEqual(['made', 'made'])
  })

  it('-1 is for ever', async () => {
    const actor = fn.RemoteLives.options({ maxRestarts: -1 }).remote(aFile())
    for (let i = 0; i < 4; i += 1) await caught(actor.exit.run(1), ActorUnavailableError)
    expect(await actor.context.run()).toMatchObject({ wasRestarted: true })
    await kill(actor)
  })
})

describe('maxTaskRetries', () => {
  it('is 0 by default: what was under way is not run again', async () => {
    const file = aFile()
    const actor = fn.RemoteLives.options({ maxRestarts: 1 }).remote(file)
    await caught(actor.note.run('a', true), ActorUnavailableError)
    await actor.context.run()
    expect(linesOf(file)).toEqual(['made', 'a', 'made'])
  })

  it('of the call wins over that of the method, which wins over that of the actor', async () => {
    const options = {
      maxRestarts: -1,
      maxTaskRetries: 5,
      methods: { note: { maxTaskRetries: 0 } },
    }
    const actor = fn.RemoteLives.options(options).remote(aFile())
    await caught(actor.note.run('method', true), ActorUnavailableError)
    expect(await actor.note.options({ maxTaskRetries: 1 }).run('call', true)).toBe('call')
    const plain = fn.RemoteLives.options({ maxRestarts: -1, maxTaskRetries: 1 }).remote(aFile())
    expect(await plain.note.run('actor', true)).toBe('actor')
    await kill(actor)
    await kill(plain)
  })

  it('-1 is for ever, and ends with the restarts', async () => {
    const actor = fn.RemoteLives.options({ maxRestarts: 2, maxTaskRetries: -1 }).remote(aFile())
    await caught(actor.exit.run(1), ActorDiedError)
  })

  it('counts deaths and, under retryExceptions, exceptions: one budget', async () => {
    const actor = fn.RemoteLives.options({ maxRestarts: -1 }).remote(aFile())
    const few = actor.throwsUntil.options({ maxTaskRetries: 1, retryExceptions: true })
    await caught(few.run(3), TaskError)
    const enough = actor.throwsUntil.options({ maxTaskRetries: 2, retryExceptions: [RangeError] })
    expect(await enough.run(5)).toBe(5)
    const other = actor.throwsUntil.options({ maxTaskRetries: 2, retryExceptions: [RangeError] })
    expect((await caught(other.run(7, 'TypeError'), TaskError)).cause).toBeInstanceOf(TypeError)
    await kill(actor)
  })

  it('a method keeps the retryExceptions that the class was given', async () => {
    const methods = { throwsUntil: { maxTaskRetries: 3, retryExceptions: true } }
    const actor = fn.RemoteLives.options({ methods }).remote(aFile())
    expect(await actor.throwsUntil.run(4)).toBe(4)
    await kill(actor)
  })
})

describe('order', () => {
  it('calls that wait while their actor restarts run in the order made', async () => {
    const file = aFile()
    const actor = fn.RemoteLives.options({ maxRestarts: 1 }).remote(file)
    await actor.context.run()
    await kill(actor, { noRestart: false })
    const texts = Array.from({ length: 200 }, (_, i) => `n${String(i)}`)
    await get(texts.map((text) => actor.note.remote(text)))
    expect(linesOf(file)).toEqual(['made', 'made', ...texts])
    await kill(actor)
  })

  it('calls that are run again keep their order, and come before what was called later', async () => {
    const file = aFile()
    const actor = fn.RemoteLives.options({ maxRestarts: 1, maxTaskRetries: 1 }).remote(file)
    const texts = Array.from({ length: 100 }, (_, i) => `n${String(i)}`)
    const refs = texts.map((text, i) => actor.note.remote(text, i === 50))
    await get(refs)
    const lines = linesOf(file)
    expect(lines.slice(lines.lastIndexOf('made') + 1).join()).toBe(
      texts.slice(texts.indexOf(lines[lines.lastIndexOf('made') + 1] ?? '')).join(),
    )
    await kill(actor)
  })

  it('of two callers, each keeps its own', async () => {
    const file = aFile()
    const actor = fn.RemoteLives.remote(file)
    await get([fn.notesMany.remote(actor, 'a', 100), fn.notesMany.remote(actor, 'b', 100)])
    const lines = linesOf(file)
    for (const who of ['a', 'b']) {
      const own = lines.filter((line) => line.startsWith(who))
      expect(own).toEqual(Array.from({ length: 100 }, (_, i) => `${who}${String(i)}`))
    }
    await kill(actor)
  })
})

describe('streams of methods', () => {
  it('give what came before the death of the actor, then say that it died', async () => {
    const actor = fn.RemoteLives.remote(aFile())
    const items: number[] = []
    const reading = (async () => {
      for await (const item of actor.items.run(5, 3)) items.push(item)
    })()
    await caught(reading, ActorDiedError)
    expect(items).toEqual([0, 1, 2])
  })

  it('are made again under maxTaskRetries, and give each item once', async () => {
    const options = { maxRestarts: 1, maxTaskRetries: 1 }
    const actor = fn.RemoteLives.options(options).remote(aFile())
    const items: number[] = []
    for await (const item of actor.items.run(5, 3)) items.push(item)
    expect(items).toEqual([0, 1, 2, 3, 4])
    await kill(actor)
  })

  it('throw where the generator threw', async () => {
    const actor = fn.RemoteLives.remote(aFile())
    const stream = actor.failing.remote(2)
    const items: number[] = []
    const reading = (async () => {
      for await (const ref of stream) items.push(await get(ref))
    })()
    expect((await caught(reading, TaskError)).cause).toBeInstanceOf(RangeError)
    expect(items).toEqual([0, 1])
    await caught(get(stream.completed), TaskError)
    await kill(actor)
  })

  it('hold their producer back, and end it when their reader leaves; the actor goes on', async () => {
    const file = aFile()
    const actor = fn.RemoteLives.remote(file)
    for await (const item of actor.endless.run()) if (item === 5) break
    expect(await actor.held.run()).toBe(0)
    const sizeBytes = statSync(`${file}.yielded`).size
    expect(sizeBytes).toBeLessThan(200)
    await kill(actor)
  })
})

describe('cancel of a call', () => {
  it('that runs aborts its signal; the actor goes on with the next', async () => {
    const file = aFile()
    const actor = fn.RemoteLives.remote(file)
    const call = actor.untilAborted.remote()
    const next = actor.note.remote('next')
    await until(() => linesOf(file).includes('waits'))
    await cancel(call)
    await caught(get(call), TaskCancelledError)
    expect(await get(next)).toBe('next')
    expect(linesOf(file)).toEqual(['made', 'waits', 'aborted', 'next'])
    await kill(actor)
  })

  it('by force is refused: it would end the actor, which kill() does', async () => {
    const actor = fn.RemoteLives.remote(aFile())
    const call = actor.hold.remote()
    const error = await caught(cancel(call, { force: true }), UsageError)
    expect(error.message).toContain('kill()')
    await cancel(call)
    await kill(actor)
  })

  it('reaches the call that a cancelled task waits for, and forces nothing on an actor', async () => {
    const actor = fn.RemoteLives.options({ maxConcurrency: 2 }).remote(aFile())
    const calling = fn.callsHold.remote(actor)
    await until(async () => (await actor.held.run()) === 1)
    await cancel(calling, { force: true })
    await caught(get(calling), TaskCancelledError)
    expect(await actor.held.run()).toBe(1)
    await kill(actor)
  })

  it('that was not made again after its actor died is final', async () => {
    const file = aFile()
    const actor = fn.RemoteLives.options({ maxRestarts: 1, maxTaskRetries: 3 }).remote(file)
    const call = actor.untilAborted.remote()
    await until(() => linesOf(file).includes('waits'))
    await cancel(call)
    await kill(actor, { noRestart: false })
    await caught(get(call), TaskCancelledError)
    await actor.context.run()
    expect(linesOf(file).filter((line) => line === 'waits')).toEqual(['waits'])
    await kill(actor)
  })
})

describe('kill', () => {
  it('ends an actor that waits for the arguments of its constructor, at once', async () => {
    const file = aFile()
    const go = aFile()
    const actor = fn.RemoteLives.remote(fn.afterFile.remote(go, file))
    const call = actor.context.remote()
    await kill(actor)
    await caught(get(call), ActorDiedError)
    writeFileSync(go, '')
    await caught(actor.context.run(), ActorDiedError)
    expect(linesOf(file)).toEqual([])
  })

  it('ends it also from a process that was handed the handle', async () => {
    const [file, go] = [aFile(), aFile()]
    const actor = fn.RemoteLives.remote(fn.afterFile.remote(go, file))
    await fn.kills.run(actor)
    writeFileSync(go, '')
    await caught(actor.context.run(), ActorDiedError)
    expect(linesOf(file)).toEqual([])
  })

  it('of one that is dead already, or was never made, is no error', async () => {
    const actor = fn.RemoteLives.remote(aFile())
    await kill(actor)
    await kill(actor)
    const broken = fn.RemoteOneLife.remote(import.meta.filename)
    await caught(broken.use.run(), ActorDiedError)
    await kill(broken)
    const unborn = fn.RemoteLives.remote(fn.throws.remote())
    await caught(unborn.context.run(), TaskError)
    await kill(unborn)
  })
})

describe('exitActor()', () => {
  it('lets running calls end, and fails those that wait', async () => {
    const [file, go] = [aFile(), aFile()]
    const actor = fn.RemoteLives.options({
      maxConcurrency: 2,
      maxRestarts: 3,
    }).remote(file)
    const running = actor.untilFile.remote(go)
    const left = actor.leave.remote()
    const waits = actor.note.remote('never')
    await caught(get(left), ActorDiedError)
    writeFileSync(go, '')
    expect(await get(running)).toBe('there')
    await caught(get(waits), ActorDiedError)
    expect(linesOf(file)).toEqual(['made'])
    const error = await caught(actor.context.run(), ActorDiedError)
    expect(error.message).toContain('exitActor()')
  })

  it('in a constructor ends the actor, restarts or not, and says so', async () => {
    const actor = fn.RemoteLeavesAtOnce.options({ maxRestarts: 3 }).remote()
    const error = await caught(actor.use.run(), ActorDiedError)
    expect(error.message).toContain('exitActor()')
  })
})

describe('what a call is told', () => {
  it('of a group that the actor does not declare: its names', async () => {
    const actor = fn.RemoteLives.options({ concurrencyGroups: { io: 2 } }).remote(aFile())
    const error = await caught(actor.held.options({ concurrencyGroup: 'oi' }).run(), UsageError)
    expect(error.message).toContain('io')
    await kill(actor)
  })

  it('of its resources: those that were asked for, and none by default', async () => {
    const plain = fn.RemoteLives.remote(aFile())
    expect((await plain.context.run()).resources).toEqual({})
    const asked = fn.RemoteLives.options({ numCpus: 1 }).remote(aFile())
    expect((await asked.context.run()).resources).toEqual({ CPU: 1 })
    await kill(plain)
    await kill(asked)
  })
})

describe('names', () => {
  it('are found by tasks, in the namespace of their job', async () => {
    const actor = fn.RemoteLives.options({ name: 'known' }).remote(aFile())
    const { pid } = await actor.context.run()
    expect(await fn.namesAway.run('known')).toMatchObject({ pid })
    await kill(actor)
    await caught(getActor('known'), ActorNotFoundError)
  })

  it('are kept over restarts', async () => {
    const actor = fn.RemoteLives.options({ name: 'kept', maxRestarts: 1 }).remote(aFile())
    await caught(actor.exit.run(1), ActorUnavailableError)
    const found = await getActor<typeof fn.Lives>('kept')
    expect(await found.context.run()).toMatchObject({ wasRestarted: true })
    await kill(actor)
  })
})
