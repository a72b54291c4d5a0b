// Item 10: `virga doctor` on this very machine, also with its limits made low.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { CLI, Place, type Row } from './virga.ts'

let place: Place
beforeEach(() => {
  place = new Place()
})
afterEach(() => {
  place.remove()
})

const find = (answer: Record<string, unknown>, name: string): Row =>
  (answer['checks'] as Row[]).find((check) => check['name'] === name) ?? {}

describe('virga doctor', () => {
  it('finds this machine fit, and looks at everything that Virga needs', async () => {
    const answer = await place.json('doctor')
    expect(answer['ok']).toBe(true)
    expect((answer['checks'] as Row[]).map((check) => check['name'])).toEqual([
      ...['system', 'Node', 'shared memory', 'koffi', 'open files', 'processes', 'memory'],
      ...['session folder', 'left over', 'clusters'],
    ])
    expect(find(answer, 'Node')).toMatchObject({ state: 'ok', found: process.versions.node })
    expect(find(answer, 'session folder')['found']).toContain(join(place.runtimeDir, 'virga'))
    const { code, stdout } = await place.virga('doctor')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ok {4}Node /m)
  })

  it('sees folders that a killed cluster has left, and does not touch them', async () => {
    const dead = join(place.runtimeDir, 'virga', 'session-999999999-dead')
    mkdirSync(dead, { recursive: true })
    writeFileSync(join(dead, 'node.json'), JSON.stringify({ pid: 999_999_999, startTime: '1' }))
    const check = find(await place.json('doctor'), 'left over')
    expect(check['state']).toBe('warn')
    expect(check['found']).toContain(dead)
    expect(place.left()).toEqual(['session-999999999-dead'])
  })

  it('warns of few open files, and says how to have more', async () => {
    const command = `ulimit -n 256; exec ${process.execPath} ${CLI} doctor --json`
    const { code, stdout } = await place.spawn('sh', ['-c', command]).ended
    expect(code).toBe(0)
    const check = find(JSON.parse(stdout) as Record<string, unknown>, 'open files')
    expect(check['state']).toBe('warn')
    expect(check['found']).toContain('256 at most')
    expect(check['advice']).toContain('ulimit -n')
  })

  it('tells of the clusters that run', async () => {
    await place.json('start', '--num-cpus', '1', '--port', String(await freePort()))
    expect(find(await place.json('doctor'), 'clusters')['found']).toContain('raylet.sock')
    await place.virga('stop')
    expect(find(await place.json('doctor'), 'clusters')['found']).toBe('none runs now')
  })
})
