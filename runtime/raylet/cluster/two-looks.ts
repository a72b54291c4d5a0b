// What two looks in a row have found (pure). One is not enough to free anything: what is on its way
// from one process to another may be with neither as both are asked.
//   TL1. A look that cannot tell, as somebody did not answer, counts as one that has found nothing.
export class TwoLooks {
  /** By the look before. */
  #found: ReadonlySet<string> = new Set()

  /**
   * A look has found these.
   * @returns those that the one before has found, too: it is sure of them, and they are forgotten.
   */
  found(ids: readonly string[]): readonly string[] {
    const before = this.#found
    this.#found = new Set(ids.filter((id) => !before.has(id)))
    return ids.filter((id) => before.has(id))
  }

  /** TL1. */
  unsure(): void {
    this.#found = new Set()
  }
}
