// How clusters of the command begin and end.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { isAlive, startTimeOf } from '../../../runtime/common/session-file.ts'
import { until } from '../../support/waiting.ts'
import { fixture, Place, placeOfEachTest, type Row } from './virga.ts'

const place = placeOfEachTest()
let port = ''
beforeEach(async () => {
  port = String(await freePort())
})

describe('virga start', () => {
  it('of two at once, one makes the cluster and the other is told so', async () => {
    const both = await Promise.all([
      place.virga('start', '--num-cpus', '1', '--port', port),
      place.virga('start', '--num-cpus', '1', '--port', port),
    ])
    expect(new Set(both.map(({ code }) => code))).toEqual(new Set([0, 2]))
    expect(place.left().filter((name) => name.startsWith('session-'))).toHaveLength(1)
  })

  it('--block stays, and ends the cluster at Ctrl-C', async () => {
    const blocked = place.start('start', '--num-cpus', '1', '--port', port, '--block')
    await until(() => blocked.output.stdout.includes('virga stop'))
    const { pid } = (await place.json('status'))['cluster'] as Row
    blocked.child.kill('SIGINT')
    expect((await blocked.ended).code).toBe(0)
    expect(place.left()).toEqual([])
    expect(isAlive({ pid: Number(pid), startTime: '' })).toBe(false)
  })

  it('--block ends when somebody else stops the cluster', async () => {
    const blocked = place.start('start', '--num-cpus', '1', '--port', port, '--block')
    await until(() => blocked.output.stdout.includes('virga stop'))
    expect((await place.virga('stop')).code).toBe(0)
    expect((await blocked.ended).code).toBe(0)
  })

  it('checks amounts as init() does, before it starts anything', async () => {
    const calls = [
      ['--num-cpus', '0.00001'],
      ['--resources', '{"slots": -1}'],
      ['--labels', '{"disk": 3}'],
      ['--object-store-memory-bytes', '5'],
    ]
    for (const call of calls) {
      const { code } = await place.virga('start', '--port', port, ...call)
      expect(code, call.join(' ')).toBe(2)
    }
    expect(place.left()).toEqual([])
  })

  it('of one in another folder of sessions, virga stop by its socket waits until it has ended', async () => {
    await place.virga('start', '--num-cpus', '1', '--port', port)
    const { pid, address } = (await place.json('status'))['cluster'] as Row
    const elsewhere = new Place()
    try {
      const socket = `unix:${String(address).replace(/^unix:/, '')}`
      expect(await elsewhere.json('stop', '--address', socket)).toMatchObject({ pid, clean: true })
      expect(place.left().filter((name) => name.startsWith('session-'))).toEqual([])
    } finally {
      elsewhere.remove()
    }
  })

  it('removes what clusters that were killed have left', async () => {
    const old = join(place.runtimeDir, 'virga', 'session-999999999-dead')
    mkdirSync(join(old, 'logs'), { recursive: true })
    writeFileSync(join(old, 'node.json'), JSON.stringify({ pid: 999_999_999, startTime: '1' }))
    expect((await place.virga('start', '--num-cpus', '1', '--port', port)).code).toBe(0)
    expect(place.left().filter((name) => name.includes('dead'))).toEqual([])
  })

  it('after the raylet was killed, says so, and starts anew', async () => {
    const { pid } = await place.json('start', '--num-cpus', '1', '--port', port)
    process.kill(Number(pid), 'SIGKILL')
    await until(() => !isAlive({ pid: Number(pid), startTime: '' }) || isZombie(Number(pid)))
    expect((await place.virga('status')).code).toBe(3)
    expect((await place.virga('start', '--num-cpus', '1', '--port', port)).code).toBe(0)
    expect((await place.virga('status')).code).toBe(0)
  })

  it('once it had workers, leaves nothing when its raylet is killed', async () => {
    const { pid } = await place.json('start', '--num-cpus', '1', '--port', port)
    expect((await place.virga('run', fixture('work.mts'))).code).toBe(0)
    expect(place.left()).not.toEqual([])
    process.kill(Number(pid), 'SIGKILL')
    await until(() => place.left().length === 0)
  })
})

describe('virga stop', () => {
  it('a program that still runs is told what happened, and what to do', async () => {
    const slots = JSON.stringify({ slots: 1 })
    await place.virga('start', '--num-cpus', '1', '--port', port, '--resources', slots)
    const program = place.node(fixture('hold.mts'), join(place.runtimeDir, 'never'))
    await until(() => program.output.stdout.includes('holding on'))
    expect((await place.virga('stop')).code).toBe(0)
    const { code, stderr } = await program.ended
    expect(code).toBe(1)
    expect(stderr).toContain(
      'If the cluster was stopped (virga stop), start it and run this program',
    )
  })

  it('does not end the cluster that a program has for itself, unless that is named', async () => {
    const program = place.node(fixture('signal.mts'))
    await until(() => program.output.stdout.includes('ready'))
    const { code, stderr } = await place.virga('stop')
    expect(code).toBe(3)
    expect((await place.virga('status')).code).toBe(0)
    const address = /--address (unix:\S+)/.exec(stderr)?.[1] ?? ''
    expect((await place.virga('stop', '--address', address)).code).toBe(0)
    program.child.kill('SIGKILL')
    await program.ended
    await until(() => place.left().length === 0)
  })

  it('--address ends that cluster, and leaves the others', async () => {
    const program = place.node(fixture('signal.mts'))
    await until(() => program.output.stdout.includes('ready'))
    await place.json('start', '--num-cpus', '1', '--port', port)
    expect((await place.virga('stop', '--address', `127.0.0.1:${port}`)).code).toBe(0)
    expect(program.child.exitCode).toBeNull()
    expect((await place.virga('status')).code).toBe(0)
    program.child.kill('SIGINT')
    expect((await program.ended).code).toBe(42)
    await until(() => place.left().length === 0)
  })
})

describe('a program with a cluster of its own', () => {
  it('is what the commands look at when no other cluster runs', async () => {
    const program = place.node(fixture('signal.mts'))
    await until(() => program.output.stdout.includes('ready'))
    const jobs = await place.rows('jobs')
    expect(jobs.map((job) => job['driverPid'])).toEqual([program.child.pid])
    const second = place.node(fixture('signal.mts'))
    await until(() => second.output.stdout.includes('ready'))
    const { code, stderr } = await place.virga('status')
    expect(code).toBe(2)
    expect(stderr.match(/unix:\S+raylet\.sock/g)).toHaveLength(2)
    for (const { child, ended } of [program, second]) {
      child.kill('SIGINT')
      expect((await ended).code).toBe(42)
    }
    await until(() => place.left().length === 0)
  })
})

function isZombie(pid: number): boolean {
  return startTimeOf(pid) === 'zombie'
}
