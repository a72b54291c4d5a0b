// Progress by function: from what the raylet counts to what a person wants to see (pure).
// The rate is that of the last WINDOW_MS, so that the time left follows what happens now.
import { countText, durationText } from './amounts.ts'
import { numberOf, textOf, type Row } from './raylet-client.ts'
import { byFunction } from './summary.ts'
import type { Column } from './table.ts'

const WINDOW_MS = 5000

export interface FunctionProgress {
  readonly name: string
  readonly done: number
  readonly running: number
  /** Submitted, and neither running nor ended. */
  readonly pending: number
  readonly failed: number
  /** Ended per second. */
  readonly rate: number
  /** Undefined while nobody can tell. */
  readonly leftMs: number | undefined
}

interface Sample {
  readonly atMs: number
  readonly ended: number
}

export class Progress {
  readonly #samples = new Map<string, Sample[]>()
  /** Of the last update: what is new since began after it. */
  #updatedMs: number
  #functions: readonly FunctionProgress[] = []

  constructor(nowMs: number) {
    this.#updatedMs = nowMs
  }

  get functions(): readonly FunctionProgress[] {
    return this.#functions
  }

  /** @param rows  of the `summary` of the jobs that are meant. */
  update(rows: readonly Row[], nowMs: number): void {
    this.#functions = byFunction(rows).map((row) => {
      const name = textOf(row, 'name')
      const [done, running, pending, failed] = (
        ['done', 'running', 'pending', 'failed'] as const
      ).map((key) => numberOf(row, key)) as [number, number, number, number]
      const rate = this.#rateOf(`${textOf(row, 'kind')} ${name}`, done + failed, nowMs)
      const left = pending + running
      const leftMs = left === 0 ? 0 : rate > 0 ? (left / rate) * 1000 : undefined
      return { name, done, running, pending, failed, rate, leftMs }
    })
    this.#updatedMs = nowMs
  }

  #rateOf(key: string, ended: number, atMs: number): number {
    const samples = this.#samples.get(key) ?? [{ atMs: this.#updatedMs, ended: 0 }]
    samples.push({ atMs, ended })
    while (samples.length > 2 && (samples[1]?.atMs ?? atMs) < atMs - WINDOW_MS) samples.shift()
    this.#samples.set(key, samples)
    const first = samples[0] ?? { atMs, ended }
    return atMs === first.atMs ? 0 : ((ended - first.ended) * 1000) / (atMs - first.atMs)
  }
}

export const PROGRESS_COLUMNS: readonly Column[] = [
  { head: 'function', gives: true },
  { head: 'done', align: 'right' },
  { head: 'running', align: 'right' },
  { head: 'waiting', align: 'right' },
  { head: 'failed', align: 'right' },
  { head: 'rate', align: 'right' },
  { head: 'left', align: 'right' },
]

export function progressCells(each: FunctionProgress): string[] {
  return [
    each.name,
    countText(each.done),
    countText(each.running),
    countText(each.pending),
    countText(each.failed),
    rateText(each.rate),
    leftText(each),
  ]
}

/** `square: 120 done, 2 running, 40 waiting, 0 failed, 40/s, 1.0 s left`. */
export function progressLine(each: FunctionProgress): string {
  const left = each.leftMs === 0 ? '' : `, ${leftText(each)} left`
  return (
    `${each.name}: ${countText(each.done)} done, ${countText(each.running)} running, ` +
    `${countText(each.pending)} waiting, ${countText(each.failed)} failed, ` +
    `${rateText(each.rate)}${left}`
  )
}

const leftText = ({ leftMs }: FunctionProgress): string =>
  leftMs === undefined ? '?' : leftMs === 0 ? '-' : durationText(leftMs)

const rateText = (rate: number): string =>
  `${rate >= 10 || rate === 0 ? countText(Math.round(rate)) : rate.toFixed(1)}/s`
