// A strict reading of the Trace Event Format, of what ui.perfetto.dev makes of it: the UI itself
// cannot be loaded where there is no network, so what it would drop is found here.
//   X (a slice)   name, cat, pid, tid, ts, dur >= 0 in microseconds; slices of one thread nest or
//                 are apart: one that crosses the end of another is dropped by Perfetto
//   M (a name)    of a process or a thread: name, pid, tid, args.name
// Source: the Trace Event Format's document; perfetto.dev/docs/faq; Perfetto's slice_tracker.cc
// (slice_drop_overlapping_complete_event).
import { expect } from 'vitest'

export interface Slice {
  readonly ph: 'X'
  readonly name: string
  readonly cat: string
  readonly pid: number
  readonly tid: number
  readonly ts: number
  readonly dur: number
  readonly args: Readonly<Record<string, unknown>>
}

const NAMED = ['process_name', 'thread_name']
/** Of those that the viewers know, the ones in use. */
const COLOURS = ['terrible']

/** @returns its slices. Fails the test where it is not a trace. */
export function readTrace(trace: unknown): readonly Slice[] {
  expect(trace).toMatchObject({ traceEvents: expect.any(Array) as unknown, displayTimeUnit: 'ms' })
  const { traceEvents } = trace as { traceEvents: readonly Record<string, unknown>[] }
  const named = new Set<string>()
  const slices: Slice[] = []
  for (const event of traceEvents) {
    const { ph, name, pid, tid, args } = event
    expect([typeof name, name === '']).toEqual(['string', false])
    expect([Number.isSafeInteger(pid), Number.isSafeInteger(tid)]).toEqual([true, true])
    expect(args).toBeTypeOf('object')
    if (ph === 'M') {
      expect(NAMED).toContain(name)
      expect((args as Record<string, unknown>)['name']).toBeTypeOf('string')
      named.add(`${String(name)} ${String(pid)} ${name === 'thread_name' ? String(tid) : ''}`)
      continue
    }
    expect(ph).toBe('X')
    const { cat, ts, dur, cname } = event
    expect(cat).toBeTypeOf('string')
    expect([Number.isSafeInteger(ts), Number.isSafeInteger(dur)]).toEqual([true, true])
    expect(Math.min(Number(ts), Number(dur))).toBeGreaterThanOrEqual(0)
    if (cname !== undefined) expect(COLOURS).toContain(cname)
    slices.push(event as unknown as Slice)
  }
  for (const { pid, tid } of slices) {
    expect([...named]).toContain(`process_name ${String(pid)} `)
    expect([...named]).toContain(`thread_name ${String(pid)} ${String(tid)}`)
  }
  expect(crossing(slices)).toEqual([])
  return slices
}

/** Slices that end after one that was open on their thread when they began. */
function crossing(slices: readonly Slice[]): Slice[] {
  const open = new Map<string, number[]>()
  return slices
    .toSorted((a, b) => a.ts - b.ts || b.dur - a.dur)
    .filter(({ pid, tid, ts, dur }) => {
      const thread = `${String(pid)} ${String(tid)}`
      const ends = (open.get(thread) ?? []).filter((end) => end > ts)
      open.set(thread, [...ends, ts + dur])
      return ends.some((end) => ts + dur > end)
    })
}
