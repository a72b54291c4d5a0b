// Crowds of workers and misbehaving ones: the raylet answers, and others go on.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  InvalidEnvError,
  TaskCancelledError,
  cancel,
  get,
  init,
  kill,
  nodes,
  shutdown,
} from 'virga'
import { isRunning } from '../../support/is-running.ts'
import { scaled } from '../../support/scale.ts'
import { caught, until } from '../../support/waiting.ts'
import { RemoteEcho, forks, meet, spinUntil } from './crowd-functions.ts'
import { square } from './functions.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'crowds-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

describe('misbehaving tasks', () => {
  beforeAll(async () => {
    await init({ address: 'local', numCpus: 2 })
  })
  afterAll(shutdown)

  const spinners = (file: string): string[] =>
    readdirSync(folder).filter((name) => join(folder, name).startsWith(`${file}.`))

  it('the raylet answers while every CPU spins', async () => {
    const file = join(folder, 'spin')
    const spinning = [spinUntil.remote(file), spinUntil.remote(file)]
    await until(() => spinners(file).length === 2)
    for (let i = 0; i < 20; i += 1) expect(await nodes()).toHaveLength(1)
    writeFileSync(file, '')
    expect(await get(spinning)).toEqual([true, true])
  })

  it('a stopped worker holds up nobody else, and cancel by force ends it', async () => {
    const file = join(folder, 'never')
    const stuck = spinUntil.options({ maxRetries: 0 }).remote(file)
    await until(() => spinners(file).length === 1)
    process.kill(Number(spinners(file)[0]?.split('.').at(-1)), 'SIGSTOP')
    expect(await get(Array.from({ length: 200 }, (_, i) => square.remote(i)))).toHaveLength(200)
    await cancel(stuck, { force: true })
    await caught(get(stuck), TaskCancelledError)
    expect(await get([square.remote(2), square.remote(3)])).toEqual([4, 9])
  })

  it('programs that a task leaves behind hold neither its result nor its CPU', async () => {
    await forks.run(50)
    expect(await get(Array.from({ length: 200 }, (_, i) => square.remote(i)))).toHaveLength(200)
  })

  it('programs that a task leaves behind end with its worker', async () => {
    const pids = await forks.options({ maxCalls: 1 }).run(5)
    expect(pids).toHaveLength(5)
    await until(() => !pids.some(isRunning))
  })

  it('a working directory that does not exist is told by its name', async () => {
    const runtimeEnv = { workingDir: join(folder, 'nowhere') }
    const error = await caught(square.options({ runtimeEnv }).run(2), InvalidEnvError)
    expect(error.message).toContain(runtimeEnv.workingDir)
    expect(await square.run(2)).toBe(4)
  })
})

// A process each: at full size 30 s of CPU to start them, and 5 GB of memory.
describe('crowds', { timeout: 240_000 }, () => {
  const leases = scaled(200, 20)
  const actors = scaled(300, 20)
  beforeAll(async () => {
    await init({ address: 'local', numCpus: leases })
  })
  afterAll(shutdown)

  it('hundreds of leases at once: as many tasks run at the same time', async () => {
    const place = mkdtempSync(join(folder, 'meet-'))
    const refs = Array.from({ length: leases }, (_, i) => meet.remote(place, i, leases))
    expect(await get(refs)).toEqual(Array.from({ length: leases }, (_, i) => i))
  })

  it('hundreds of actors live at once and answer', async () => {
    const all = Array.from({ length: actors }, (_, i) =>
      RemoteEcho.options({ numCpus: 0 }).remote(i),
    )
    const indexes = await get(all.map((actor) => actor.index.remote()))
    expect(indexes).toEqual(Array.from({ length: actors }, (_, i) => i))
    for (const actor of all) await kill(actor)
  })
})
