// How the command is called: help, versions, wrong usage and its exit codes.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CLI, Place } from './virga.ts'

let place: Place
beforeAll(() => {
  place = new Place()
})
afterAll(() => {
  place.remove()
})

const COMMANDS = [
  'run start stop status top list get remove summary memory timeline logs doctor',
  'submit deploy bake report dashboard replay',
].flatMap((line) => line.split(' '))

describe('virga', () => {
  it('prints the version of its package', async () => {
    const file = join(import.meta.dirname, '../../../package.json')
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
    expect(await place.virga('--version')).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  it('without a command shows its help, which names every command', async () => {
    const { code, stdout } = await place.virga()
    expect(code).toBe(0)
    for (const name of COMMANDS) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'))
  })

  it('has help for every command, and --json in each', async () => {
    for (const name of COMMANDS) {
      const { code, stdout } = await place.virga(name, '--help')
      expect(code, name).toBe(0)
      expect(stdout).toContain(`Usage: virga ${name}`)
      expect(stdout).toContain('--json')
    }
  })

  it('ends with 2 at an unknown command or option, and names the nearest', async () => {
    const command = await place.virga('lits')
    expect(command.code).toBe(2)
    expect(command.stderr).toContain('Did you mean list?')
    const option = await place.virga('start', '--num-cpu', '2')
    expect(option.code).toBe(2)
    expect(option.stderr).toContain('Did you mean --num-cpus?')
    const kind = await place.virga('list', 'actor-s')
    expect(kind.code).toBe(2)
    expect(kind.stderr).toContain('Did you mean actors?')
  })

  it('ends with 2 at a value that is none, and says what it must be', async () => {
    const number = await place.virga('start', '--num-cpus', 'many')
    expect(number.code).toBe(2)
    expect(number.stderr).toContain('It must be a number')
    const json = await place.virga('start', '--resources', '{slots: 1}')
    expect(json.code).toBe(2)
    expect(json.stderr).toContain('It is not JSON')
    const missing = await place.virga('get', 'actors')
    expect(missing.code).toBe(2)
    expect(missing.stderr).toContain("missing required argument 'id'")
    const port = await place.virga('start', '--port', '70000')
    expect(port.code).toBe(2)
    expect(port.stderr).toContain('65535')
    for (const nodes of ['abc', '0', '65', '1.5']) {
      const told = await place.virga('start', '--nodes', nodes)
      expect(told.code).toBe(2)
      expect(told.stderr).toMatch(/^virga: option .* It must be a whole number from 1 to 64\.\n$/)
    }
  })

  it('tells wrong usage as every other error, also in JSON', async () => {
    const { code, stdout, stderr } = await place.virga('start', '--nodes', 'abc', '--json')
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' })
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string } }
    expect(error).toMatchObject({ code: 'ERR_USAGE' })
    expect(error.message).toContain('from 1 to 64')
  })

  it('ends with 3 where no cluster answers', async () => {
    const commands = [['status'], ['stop'], ['top'], ['list', 'tasks'], ['memory'], ['logs']]
    for (const command of commands) {
      const { code, stderr } = await place.virga(...command)
      expect(code, command.join(' ')).toBe(3)
      expect(stderr).toContain('virga start')
    }
    const named = await place.virga('status', '--address', '127.0.0.1:1')
    expect(named.code).toBe(3)
    const socket = await place.virga('status', '--address', 'unix:/nowhere/raylet.sock')
    expect(socket.code).toBe(3)
  })

  it('tells errors as JSON under --json', async () => {
    const { code, stdout, stderr } = await place.virga('status', '--json')
    expect(code).toBe(3)
    expect(stderr).toBe('')
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string } }
    expect(error.code).toBe('ERR_CLUSTER_NOT_REACHABLE')
    expect(error.message).toContain('no cluster runs')
  })

  it('says what a later version is needed for', async () => {
    const calls = [
      ['submit', 'app.ts', '--', '--flag'],
      ['deploy'],
      ['bake'],
      ['report'],
      ['dashboard'],
      ['replay', 'ab'],
      ['start', '--address', '10.0.0.1:6379'],
      ['run', '--cluster', 'prod', 'app.ts'],
      ['run', 'app.ts', 'arg', '--cluster', 'prod'],
      ['run', 'app.ts', '--cluster=prod'],
      ['status', '--address', 'aws://prod'],
    ]
    for (const call of calls) {
      const { code, stderr } = await place.virga(...call)
      expect(code, call.join(' ')).toBe(2)
      expect(stderr).toMatch(/this version|later version/)
    }
  })

  it('asks whose tables it is to use with DynamoDB', async () => {
    const alone = await place.virga('start', '--host', '127.0.0.1')
    expect(alone).toMatchObject({ code: 2, stderr: expect.stringContaining('--host') as unknown })
    const { code, stderr } = await place.virga('start', '--gcs', 'dynamodb')
    expect(code).toBe(2)
    expect(stderr).toMatch(/--cluster NAME, or .*--endpoint-url/)
  })

  it('says which addresses this machine has when --host is none of them', async () => {
    for (const host of ['198.51.100.77', 'no-such-host.invalid']) {
      const { code, stderr } = await place.virga('start', '--nodes', '2', '--host', host)
      expect(code).toBe(2)
      expect(stderr).toMatch(/--host [\w.-]+: nodes cannot listen there \(\w+\)/)
      expect(stderr).toContain('127.0.0.1')
      expect(stderr).not.toContain('    at ')
    }
  })

  it('loads no library but its parser before a command asks for one', () => {
    expect(packagesOf(CLI, new Set())).toEqual(new Set(['commander']))
  })
})

/** Packages that a built file imports statically, through its chunks too. */
function packagesOf(file: string, seen: Set<string>): Set<string> {
  const packages = new Set<string>()
  if (seen.has(file)) return packages
  seen.add(file)
  const imports = readFileSync(file, 'utf8').matchAll(
    /^(?:import|\} from|export .* from) ?[^;]*?"([^"]+)";/gm,
  )
  for (const [, from = ''] of imports) {
    if (from.startsWith('.')) {
      for (const name of packagesOf(join(dirname(file), from), seen)) packages.add(name)
    } else if (!from.startsWith('node:')) packages.add(from)
  }
  return packages
}
