// What was written last by a call that was executed long after it was begun, or of which its writer
// was told that it failed: nobody may know of it.

export class LateKeys {
  readonly keys = new Set<string>()
  #isLate = false

  asLate<T>(run: () => T): T {
    this.#isLate = true
    try {
      return run()
    } finally {
      this.#isLate = false
    }
  }

  writes(key: string): void {
    if (this.#isLate) this.keys.add(key)
    else this.keys.delete(key)
  }
}
