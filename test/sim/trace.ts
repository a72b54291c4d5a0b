// What happened in a run: a hash over everything, and the lines themselves when somebody asked for
// them. Two runs of one seed must have the same hash.

export class Trace {
  /** Set to keep the lines. */
  lines: string[] | undefined
  #high = 0x811c9dc5
  #low = 0x1b873593

  /** @param shown  more words for the lines, not for the hash. */
  add(atMs: number, who: string, what: string, shown?: () => string): void {
    const line = `${atMs.toFixed(4)} ${who} ${what}`
    for (let i = 0; i < line.length; i += 1) {
      const code = line.charCodeAt(i)
      this.#high = Math.imul(this.#high ^ code, 0x01000193)
      this.#low = Math.imul(this.#low + code, 0x85ebca6b) ^ (this.#low >>> 13)
    }
    this.lines?.push(shown === undefined ? line : `${line} ${shown()}`)
  }

  get hash(): string {
    return [this.#high, this.#low]
      .map((half) => (half >>> 0).toString(16).padStart(8, '0'))
      .join('')
  }
}
