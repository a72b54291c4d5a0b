// When connections between two processes broke: what was under way over one may be sent again.
import type { SimProcess } from './process.ts'

export class Breaks {
  /** By pair of processes, when the last of their connections broke by each cut. */
  readonly #atMs = new Map<string, Map<number, number>>()

  /** @param cut  of a number of its own: it breaks all connections of a pair, one after the other. */
  note(a: SimProcess, b: SimProcess, { cut, atMs }: { cut: number; atMs: number }): void {
    const pair = pairOf(a, b)
    const known = this.#atMs.get(pair) ?? new Map<number, number>()
    this.#atMs.set(pair, known.set(cut, atMs))
  }

  /** How often, after that moment: what was called then may be called because of a break. */
  since(a: SimProcess, b: SimProcess, sinceMs: number): number {
    const known = [...(this.#atMs.get(pairOf(a, b))?.values() ?? [])]
    return known.filter((atMs) => atMs > sinceMs).length
  }
}

export const pairOf = (a: SimProcess, b: SimProcess): string => [a.name, b.name].sort().join(' ')
