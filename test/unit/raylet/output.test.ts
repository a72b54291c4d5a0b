// Lines of workers: split, cut, counted when dropped, kept in order.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Clock } from '../../../runtime/common/clock.ts'
import {
  OUTPUT_BYTES_PER_SECOND_MAX,
  OUTPUT_LINE_BYTES_MAX,
  STDERR_TAIL_LINES,
} from '../../../runtime/common/limits.ts'
import type { OutputLine } from '../../../runtime/protocol/messages.ts'
import { outputMark, peakMark } from '../../../runtime/common/output-mark.ts'
import { WorkerOutput, type LogSink } from '../../../runtime/raylet/output.ts'

const DROPPED = 'dropped: see /session/logs/worker-1.log while the cluster runs'

/** A worker's output with a clock, a log and a driver that do as they are told. */
class Bench {
  nowMs = 0
  logBusy = false
  driverTakes = true
  paused = false
  peakRssBytes = 0
  readonly logged: string[] = []
  readonly lines: OutputLine[] = []
  readonly batches: number[] = []
  #timers: { atMs: number; run: () => void }[] = []
  readonly log: LogSink = {
    path: '/session/logs/worker-1.log',
    write: (chunk) => this.logged.push(Buffer.from(chunk).toString()),
    isBusy: () => this.logBusy,
    onDrained: undefined,
    close: () => undefined,
  }
  readonly output = new WorkerOutput(
    {
      clock: this.#clock(),
      log: this.log,
      forward: (lines, isLast) => {
        if (!this.driverTakes && !isLast) return false
        this.lines.push(...lines)
        this.batches.push(lines.length)
        return true
      },
    },
    {
      pid: () => 7,
      name: () => 'square',
      sawMemory: (bytes) => {
        this.peakRssBytes = bytes
      },
      pause: () => {
        this.paused = true
      },
      resume: () => {
        this.paused = false
      },
    },
  )

  write(text: string | Uint8Array, stream: 'stdout' | 'stderr' = 'stdout'): void {
    this.output.write(stream, typeof text === 'string' ? Buffer.from(text) : text)
  }

  pass(ms: number): void {
    const untilMs = this.nowMs + ms
    for (;;) {
      const next = this.#timers
        .filter(({ atMs }) => atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter((timer) => timer !== next)
      this.nowMs = next.atMs
      next.run()
    }
    this.nowMs = untilMs
  }

  get texts(): string[] {
    return this.lines.map(({ text }) => text)
  }

  #clock(): Clock {
    return {
      nowMs: () => this.nowMs,
      monotonicMs: () => this.nowMs,
      after: (delayMs, run) => {
        const timer = { atMs: this.nowMs + delayMs, run }
        this.#timers.push(timer)
        return {
          cancel: () => {
            this.#timers = this.#timers.filter((each) => each !== timer)
          },
        }
      },
      immediate: (run) => {
        run()
      },
      microtask: (run) => {
        run()
      },
    }
  }
}

describe('output of a worker', () => {
  test('lines travel in batches, with the name and pid of the worker', () => {
    const bench = new Bench()
    bench.write('one\ntwo\n')
    bench.write('oops\n', 'stderr')
    expect(bench.lines).toEqual([])
    bench.pass(50)
    expect(bench.batches).toEqual([3])
    expect(bench.lines).toEqual([
      { name: 'square', pid: 7, stream: 'stdout', text: 'one' },
      { name: 'square', pid: 7, stream: 'stdout', text: 'two' },
      { name: 'square', pid: 7, stream: 'stderr', text: 'oops' },
    ])
  })

  test('a line in pieces, a character in pieces and \\r\\n are whole lines', () => {
    const bench = new Bench()
    const bytes = Buffer.from('grün\r\nx')
    for (const byte of bytes) bench.write(Uint8Array.of(byte))
    bench.pass(50)
    expect(bench.texts).toEqual(['grün'])
    bench.output.close()
    expect(bench.texts).toEqual(['grün', 'x'])
  })

  test('what is still on the way when the worker ends is told', () => {
    const bench = new Bench()
    bench.write('last words\nno newline')
    bench.output.close()
    expect(bench.texts).toEqual(['last words', 'no newline'])
  })

  test('an unfinished line is told when its driver leaves, and what follows is one of its own', () => {
    const bench = new Bench()
    bench.write('50 %')
    bench.write('oops', 'stderr')
    bench.pass(1000)
    expect(bench.texts).toEqual([])
    bench.output.flush()
    expect(bench.texts).toEqual(['50 %', 'oops'])
    bench.write(' done\n')
    bench.pass(50)
    expect(bench.texts).toEqual(['50 %', 'oops', ' done'])
  })

  test('a worker says in its output whose lines follow, per stream', () => {
    const bench = new Bench()
    bench.write(`first\n${outputMark('Counter')}one\n`)
    bench.write('two\n', 'stderr')
    bench.write(`${outputMark('a\nb')}three\n`)
    bench.pass(50)
    expect(bench.lines.map(({ name, text }) => `${name}: ${text}`)).toEqual([
      'square: first',
      'Counter: one',
      'square: two',
      'a b: three',
    ])
  })

  test('everything goes to the log file', () => {
    const bench = new Bench()
    bench.write('a\nb\n')
    expect(bench.logged.join('')).toBe('a\nb\n')
  })

  test('the last lines of stderr are kept for error messages', () => {
    const bench = new Bench()
    for (let i = 0; i < STDERR_TAIL_LINES + 5; i += 1) bench.write(`${String(i)}\n`, 'stderr')
    bench.write('not this\n')
    expect(bench.output.stderrTail).toHaveLength(STDERR_TAIL_LINES)
    expect(bench.output.stderrTail.at(-1)).toBe(String(STDERR_TAIL_LINES + 4))
  })

  test('F64: the reason V8 gives is kept, however long the stack below it', () => {
    const bench = new Bench()
    bench.write('FATAL ERROR: JavaScript heap out of memory\n', 'stderr')
    expect(bench.output.stderrTail).toHaveLength(1)
    for (let i = 0; i < 50; i += 1) bench.write(` ${String(i)}: 0x1234\n`, 'stderr')
    expect(bench.output.stderrTail[0]).toContain('heap out of memory')
    expect(bench.output.stderrTail.at(-1)).toBe(' 49: 0x1234')
  })

  test('a long line is cut and marked, and its rest is no line of its own', () => {
    const bench = new Bench()
    for (let i = 0; i < 40; i += 1) bench.write('x'.repeat(10_000))
    bench.write('end\nnext\n')
    bench.pass(50)
    expect(bench.texts).toHaveLength(2)
    expect(bench.texts[0]?.length).toBeLessThan(OUTPUT_LINE_BYTES_MAX + 100)
    expect(bench.texts[0]).toContain('... cut')
    expect(bench.texts[1]).toBe('next')
  })

  test('OU2: a flood is thinned to the budget, and what is missing is counted', () => {
    const bench = new Bench()
    const line = `${'x'.repeat(999)}\n`
    const count = Math.ceil((3 * OUTPUT_BYTES_PER_SECOND_MAX) / line.length)
    for (let i = 0; i < count; i += 1) bench.write(line)
    bench.pass(2000)
    bench.output.close()
    const marks = bench.texts.filter((text) => text.startsWith('...'))
    const dropped = marks.reduce(
      (sum, text) => sum + Number(/(\d+) lines dropped/.exec(text)?.[1]),
      0,
    )
    expect(dropped).toBeGreaterThan(count / 3)
    expect(bench.texts.length - marks.length + dropped).toBe(count)
    expect(bench.logged).toHaveLength(count)
  })

  test('OU2: every line is shown or counted, wherever chunks begin and end', () => {
    const lengths = fc.array(fc.nat(3000), { minLength: 200, maxLength: 600 })
    const cuts = fc.array(fc.integer({ min: 1, max: 200_000 }), { minLength: 5, maxLength: 30 })
    fc.assert(
      fc.property(lengths, cuts, (lineLengths, chunkLengths) => {
        const bench = new Bench()
        const block = lineLengths.map((length) => `${'x'.repeat(length)}\n`).join('')
        const repeats = Math.ceil((1.5 * OUTPUT_BYTES_PER_SECOND_MAX) / block.length)
        const bytes = Buffer.from(block.repeat(repeats))
        for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
          const length = chunkLengths[turn % chunkLengths.length] ?? 1
          bench.write(bytes.subarray(at, at + length))
          at += length
          if (turn % 7 === 0) bench.pass(90)
        }
        bench.output.close()
        const marks = bench.texts.filter((text) => text.startsWith('...'))
        const dropped = marks.reduce((sum, text) => sum + Number(/(\d+) line/.exec(text)?.[1]), 0)
        expect(bench.texts.length - marks.length + dropped).toBe(lineLengths.length * repeats)
      }),
      { numRuns: 15 },
    )
  })

  test('OU2: what the driver does not take is counted too, never kept', () => {
    const bench = new Bench()
    bench.driverTakes = false
    bench.write('a\nb\n')
    bench.pass(50)
    bench.driverTakes = true
    bench.write('c\n')
    bench.pass(1000)
    expect(bench.texts).toEqual(['c', `... 2 lines ${DROPPED}`])
  })

  test('OU2: a mark that the driver did not take counts for the lines that it stands for', () => {
    const bench = new Bench()
    bench.driverTakes = false
    for (let i = 0; i < 5; i += 1) {
      bench.write('a\nb\n')
      bench.pass(2000)
    }
    bench.driverTakes = true
    bench.pass(2000)
    expect(bench.texts).toEqual([`... 10 lines ${DROPPED}`])
  })

  test.each(['flush', 'close'] as const)(
    'OU2: what was dropped is told at the last moment, though the driver is behind (%s)',
    (end) => {
      const bench = new Bench()
      bench.driverTakes = false
      bench.write('a\nb\n')
      bench.pass(50)
      bench.write('c\n')
      bench.output[end]()
      expect(bench.texts).toEqual([`... 3 lines ${DROPPED}`])
    },
  )

  test('OU2: what a worker says itself is no line that was dropped', () => {
    const bench = new Bench()
    const count = Math.ceil(OUTPUT_BYTES_PER_SECOND_MAX / 100)
    bench.write(`${'x'.repeat(99)}\n`.repeat(count))
    const before = bench.texts.length
    for (let i = 0; i < 10; i += 1) bench.write(`${outputMark(String(i))}one\ntwo\n`)
    bench.write(outputMark('cut').slice(0, 10))
    bench.write(`${outputMark('cut').slice(10)}three\n`)
    bench.output.close()
    const shown = bench.texts.filter((text) => text.startsWith('x')).length
    const dropped = Number(/(\d+) lines/.exec(bench.texts.at(-1) ?? '')?.[1])
    expect(before).toBeLessThan(shown)
    expect(shown + dropped).toBe(count + 21)
  })

  test('OU1: who waits until a worker is read is told when its log file has caught up', async () => {
    const bench = new Bench()
    await bench.output.reading()
    bench.logBusy = true
    bench.write('a\n')
    const told: string[] = []
    const waits = bench.output.reading().then(() => told.push('read'))
    await Promise.resolve()
    expect(told).toEqual([])
    bench.logBusy = false
    bench.log.onDrained?.()
    await waits
    expect(told).toEqual(['read'])
  })

  test('OU1: while the log file is behind, the worker is not read; it is when the file has caught up', () => {
    const bench = new Bench()
    bench.logBusy = true
    bench.write('a\n')
    expect(bench.paused).toBe(true)
    bench.pass(200)
    expect(bench.paused).toBe(true)
    bench.logBusy = false
    bench.log.onDrained?.()
    expect(bench.paused).toBe(false)
  })

  test("a worker's last word on its memory is taken out, also from a line that it had begun", () => {
    const bench = new Bench()
    bench.write(`bye${peakMark(123)}`, 'stderr')
    bench.output.close()
    expect(bench.peakRssBytes).toBe(123)
    expect(bench.lines.map((line) => line.text)).toEqual(['bye'])
    expect(bench.output.stderrTail).toEqual(['bye'])
  })
})
