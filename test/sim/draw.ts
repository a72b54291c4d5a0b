// Everything random in a simulated run comes from one seed: a stream of numbers per purpose, so
// that one more draw in one part changes nothing in the others.
// Source: sfc32, PractRand (Chris Doty-Humphrey).
import type { Random } from '../../runtime/common/random.ts'

export class Draw implements Random {
  #a: number
  #b: number
  #c: number
  #count = 1
  readonly #root: string

  constructor(seed: number | string) {
    this.#root = String(seed)
    const mixed = mixText(this.#root)
    this.#a = mixed
    this.#b = mixText(`${this.#root}~b`)
    this.#c = Math.imul(mixed, 0x9e3779b1)
    for (let i = 0; i < 12; i += 1) this.#next32()
  }

  /** A stream of its own, the same for the same purpose. */
  fork(purpose: string): Draw {
    return new Draw(`${this.#root}/${purpose}`)
  }

  /** Uniform in [0, 1). */
  next(): number {
    return this.#next32() / 2 ** 32
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next32() & 0xff)
  }

  /** A whole number from `from` to `to`, both included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1))
  }

  between(from: number, to: number): number {
    return from + this.next() * (to - from)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[Math.floor(this.next() * from.length)]
    if (picked === undefined) throw new Error('a draw from nothing')
    return picked
  }

  #next32(): number {
    const t = (this.#a + this.#b + this.#count) | 0
    this.#count = (this.#count + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0
    return t >>> 0
  }
}

/** FNV-1a of a text. */
export function mixText(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  return hash >>> 0
}
