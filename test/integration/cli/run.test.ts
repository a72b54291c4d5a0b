// Item 10: `virga run app.ts` runs a program as node would, and shows what its tasks do.
import { existsSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { until } from '../../support/waiting.ts'
import { CLI, fixture, Place, type Row } from './virga.ts'

const SCRIPT = '/usr/bin/script'

let place: Place
beforeEach(() => {
  place = new Place()
})
afterEach(async () => {
  await place.virga('stop')
  expect(place.left()).toEqual([])
  place.remove()
})

/** What the fixture work.mts does, exactly. */
const WORK = [
  ['square', 43, 0],
  ['outer', 3, 0],
  ['fails', 0, 2],
  ['Counter.inc', 5, 0],
  ['speak', 1, 0],
] as const

describe('virga run', () => {
  it("ends with the program's own code, and gives it its arguments", async () => {
    const args = ['7', '--json', '--help', '-x']
    const { code, stdout } = await place.virga('run', fixture('work.mts'), ...args)
    expect(code).toBe(7)
    expect(stdout.trimEnd().split('\n').at(-1)).toBe(JSON.stringify({ args }))
  })

  it('leaves both streams as the program wrote them', async () => {
    const ended = await place.virga('run', fixture('plain.mts'))
    expect(ended).toEqual({ code: 0, stdout: 'out\n', stderr: 'err\n' })
  })

  it('says 128 and the number of the signal that ended the program, as a shell does', async () => {
    expect((await place.virga('run', fixture('plain.mts'), 'SIGTERM')).code).toBe(143)
    expect((await place.virga('run', fixture('plain.mts'), 'SIGKILL')).code).toBe(137)
  })

  it('refuses a program that is not there', async () => {
    const { code, stderr } = await place.virga('run', 'no-such.ts')
    expect(code).toBe(2)
    expect(stderr).toContain("no program 'no-such.ts'")
  })

  it('gives the program what stands behind --, also what would be an option of ours', async () => {
    const { stderr } = await place.virga('run', 'no-such.ts', '--', '--cluster', 'prod')
    expect(stderr).toContain("no program 'no-such.ts'")
  })

  it('takes away the -- that separates the program from what it is given, and no other', async () => {
    const { stdout } = await place.virga('run', fixture('arguments.mts'), '--', '-x', '--', 'y')
    expect(JSON.parse(stdout)).toEqual(['-x', '--', 'y'])
    const { stdout: later } = await place.virga('run', fixture('arguments.mts'), '-x', '--', 'y')
    expect(JSON.parse(later)).toEqual(['-x', '--', 'y'])
  })

  it('when piped, ends with one plain line per function, with exact counts', async () => {
    const { stderr } = await place.virga('run', fixture('work.mts'))
    for (const [name, done, failed] of WORK) {
      expect(stderr).toMatch(
        new RegExp(
          `^virga: ${name}: ${done} done, 0 running, 0 waiting, ${failed} failed, \\S+/s$`,
          'm',
        ),
      )
    }
    expect(stderr).not.toContain('\u001B')
  })

  it('--json tells the same as JSON lines on standard error', async () => {
    const { stderr } = await place.virga('run', '--json', fixture('work.mts'))
    const lines = stderr.split('\n').filter((line) => line.startsWith('{'))
    const last = JSON.parse(lines.at(-1) ?? '') as { event: string; functions: Row[] }
    expect(last.event).toBe('end')
    expect(last.functions.map((row) => [row['name'], row['done'], row['failed']])).toEqual(
      WORK.map((row) => [...row]),
    )
  })

  it('passes Ctrl-C on, and waits for what the program makes of it', async () => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const run = place.start('run', fixture('signal.mts'))
      await until(() => run.output.stdout.includes('ready'))
      run.child.kill(signal)
      expect((await run.ended).code).toBe(signal === 'SIGINT' ? 42 : 143)
      await until(() => place.left().length === 0)
    }
  })

  it('joins the cluster of virga start, and counts what its own program does', async () => {
    const port = String(await freePort())
    await place.json('start', '--num-cpus', '2', '--port', port)
    const other = place.node(fixture('work.mts')).ended
    const { code, stderr } = await place.virga('run', fixture('work.mts'))
    expect(code).toBe(0)
    expect(stderr).toMatch(/^virga: square: 43 done, 0 running, 0 waiting/m)
    expect((await other).code).toBe(0)
    const jobs = await place.rows('jobs')
    expect(jobs.map((job) => job['name'])).toEqual(['work.mts', 'work.mts'])
  })

  it('--address chooses the cluster for the program', async () => {
    const port = String(await freePort())
    await place.json('start', '--num-cpus', '2', '--port', port)
    const address = `127.0.0.1:${port}`
    expect((await place.virga('run', '--address', address, fixture('work.mts'))).code).toBe(0)
    expect(await place.rows('jobs')).toHaveLength(1)
    const wrong = await place.virga('run', '--address', '127.0.0.1:1', fixture('work.mts'))
    expect(wrong.code).toBe(3)
    expect(wrong.stdout).toBe('')
  })
})

/** A terminal; only where the system has a program that makes one. */
function onTerminal(command: string, size = 'rows 40 cols 120'): ReturnType<Place['spawn']> {
  delete place.env['NO_COLOR']
  // Node takes the terminal of an unknown CI for one without colours.
  delete place.env['CI']
  place.env['TERM'] = 'xterm'
  return place.spawn(SCRIPT, [
    '-qec',
    `stty ${size}; exec ${process.execPath} ${CLI} ${command}`,
    '/dev/null',
  ])
}

if (existsSync(SCRIPT)) {
  describe('virga on a terminal', () => {
    it('run shows a live view per function, and keeps output whole above it', async () => {
      const { code, stdout } = await onTerminal(`run ${fixture('work.mts')} 5`).ended
      expect(code).toBe(5)
      const last = stdout.slice(stdout.lastIndexOf('function'))
      const shown = screenText(last)
      expect(shown).toMatch(/^function +done +running +waiting +failed +rate +left$/m)
      for (const [name, done, failed] of WORK) {
        expect(shown).toMatch(new RegExp(`^${name} +${done} +0 +0 +${failed} +\\S+/s +-$`, 'm'))
      }
      expect(screenText(stdout)).toContain('{"args":["5"]}\n')
      expect(stdout).toContain('\u001B[1mfunction\u001B[22m')
    })

    it('run shows, while it goes on, what is done, runs and waits, how fast, and the time left', async () => {
      const { code, stdout } = await onTerminal(`run ${fixture('greedy.mts')} 600`).ended
      expect(code).toBe(0)
      const busy = /^busy +([1-9]\d*) +([12]) +([1-9]\d*) +0 +[1-9]\d*\/s +[\d.]+ m?s$/gm
      const rows = [...screenText(stdout).matchAll(busy)]
      expect(rows.length).toBeGreaterThan(0)
      for (const [, ...counts] of rows) {
        expect(counts.reduce((sum, count) => sum + Number(count), 0)).toBe(600)
      }
    })

    it('run shows the live view on a terminal that does not know its size', async () => {
      const command = `run ${fixture('work.mts')} 5`
      const { code, stdout } = await onTerminal(command, 'rows 0 cols 0').ended
      expect(code).toBe(5)
      expect(screenText(stdout)).toMatch(/^square +43 +0 +0 +0 /m)
    })

    it('run: Ctrl-C typed on the terminal reaches the program once', async () => {
      const run = onTerminal(`run ${fixture('signal.mts')}`)
      await until(() => run.output.stdout.includes('ready'))
      run.child.stdin?.write('\u0003')
      expect((await run.ended).code).toBe(42)
      await until(() => place.left().length === 0)
    })

    it('top refreshes until Ctrl-C', async () => {
      await place.json('start', '--num-cpus', '1', '--port', String(await freePort()))
      const program = place.node(fixture('signal.mts'))
      await until(() => program.output.stdout.includes('ready'))
      const top = onTerminal('top --interval-ms 100')
      // Each change of the screen is one synchronized update.
      await until(() => top.output.stdout.split('\u001B[?2026h').length > 3)
      top.child.stdin?.write('\u0003')
      expect((await top.ended).code).toBe(0)
      expect(screenText(top.output.stdout)).toContain('1 worker, object store')
      program.child.kill('SIGINT')
      await program.ended
    })

    it('NO_COLOR turns colours off', async () => {
      place.env['TERM'] = 'xterm'
      const { stdout } = await place.spawn(SCRIPT, [
        '-qec',
        `NO_COLOR=1 ${process.execPath} ${CLI} doctor`,
        '/dev/null',
      ]).ended
      expect(stdout).toContain('Node')
      expect(stdout).not.toContain('\u001B[3')
      expect((await onTerminal('doctor').ended).stdout).toContain('\u001B[32mok')
    })
  })
}

/** Without escape sequences and carriage returns. */
function screenText(text: string): string {
  // oxlint-disable-next-line no-control-regex -- escape sequences are what is taken out
  return text.replaceAll(/\u001B\[[\d;?]*[A-Za-z]/g, '').replaceAll('\r', '')
}
