// When `virga run` says what, over time: a world in which time passes as fast as it is asked to.
import { describe, expect, it } from 'vitest'
import type { RayletClient, Row } from '../../../cli/raylet-client.ts'
import { run } from '../../../cli/run.ts'
import type { Input, World } from '../../../cli/world.ts'
import type { SessionNode } from '../../../runtime/common/session-node.ts'

const node = { address: '/own/raylet.sock', pid: 1, sessionDir: '/own' } as SessionNode

const input = (options: Input['options'] = {}, json = false): Input => ({
  args: ['app.ts', '1'],
  options,
  json,
  address: undefined,
})

/** A program that runs for `lastsMs` and ends ten tasks a second of a hundred. */
function aWorld(lastsMs: number, tty = false, name = 'f') {
  let nowMs = 0
  let end: (code: number) => void = () => undefined
  const notes: string[] = []
  const shown: string[] = []
  const rowsNow = (): Row[] => {
    const done = Math.floor(nowMs / 100)
    return [{ jobId: 'aa', kind: 'task', name, pending: 100 - done, running: 0, done, failed: 0 }]
  }
  const client = {
    state: () => Promise.resolve({ rows: rowsNow(), dropped: 0 }),
    lastSummary: () => Promise.resolve([{ ...rowsNow()[0], pending: 0, done: 99, failed: 1 }]),
    close: () => undefined,
  } as unknown as RayletClient
  const world = {
    env: {},
    clock: { monotonicMs: () => nowMs },
    screen: {
      isTty: tty,
      isErrorTty: tty,
      note: (text: string) => notes.push(text),
      paint: (_paint: string, text: string) => text,
      view: () =>
        Promise.resolve({
          columns: 60,
          show: (text: string) => shown.push(text),
          above: () => undefined,
          done: ({ keep }: { keep: boolean }) => shown.push(`kept: ${String(keep)}`),
        }),
    },
    sleep: async (ms: number) => {
      nowMs += ms
      if (nowMs >= lastsMs) end(7)
      // The program's end is known a few turns after it.
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
    },
    clusters: () =>
      Promise.resolve({
        ownedBy: () => (nowMs < 250 ? [] : [node]),
        current: () => undefined,
        connect: () => Promise.resolve(client),
      }),
    programs: () =>
      Promise.resolve({
        run: () => ({ pid: 5, ended: new Promise<number>((resolve) => (end = resolve)) }),
      }),
  } as unknown as World
  return { world, notes, shown }
}

describe('run', () => {
  it('when piped, says a line every five seconds, and the exact figures at the end', async () => {
    const { world, notes } = aWorld(9_000)
    expect(await run(world, input())).toBe(7)
    expect(notes.map((note) => note.replace(/, [\d.]+\/s.*/, ''))).toEqual([
      expect.stringMatching(/^virga: f: 5\d done, 0 running, 4\d waiting, 0 failed$/),
      'virga: f: 99 done, 0 running, 0 waiting, 1 failed',
    ])
    expect(notes[0]).toMatch(/, (9\.\d|10)\/s, [45]\.\d s left$/)
  })

  it('on a terminal, shows it twice a second and leaves the last view', async () => {
    const { world, notes, shown } = aWorld(3_000, true)
    expect(await run(world, input())).toBe(7)
    expect(notes).toEqual([])
    expect(shown.length).toBeGreaterThanOrEqual(6)
    expect(shown.length).toBeLessThanOrEqual(9)
    expect(shown.at(-2)).toMatch(/^function +done.*\nf +99 +0 +0 +1 /)
    expect(shown.at(-1)).toBe('kept: true')
  })

  it('cuts names to what the terminal has room for', async () => {
    const { world, shown } = aWorld(3_000, true, 'aVeryLongNameOfAFunction'.repeat(3))
    await run(world, input())
    expect(shown.at(-2)).toMatch(/\naVeryLong\w*… +99 +0 +0 +1 /)
    const widths = shown.flatMap((text) => text.split('\n').map((line) => line.length))
    expect(Math.max(...widths)).toBeLessThanOrEqual(60)
  })

  it('says nothing of a program without tasks', async () => {
    const { world, notes } = aWorld(200)
    expect(await run(world, input())).toBe(7)
    expect(notes).toEqual([])
  })

  it('--plain has no view on a terminal either', async () => {
    const { world, notes, shown } = aWorld(1_000, true)
    await run(world, input({ plain: true }))
    expect(shown).toEqual([])
    expect(notes).toHaveLength(1)
  })
})
