// The arena of a simulated node, and how its processes see it. A mapping shows the arena's pages
// until it is released, as a real one does: what is under it must not change meanwhile, and that is
// looked at when it is released and by verify().
import type { ArenaClient } from '../../runtime/objects/arena-access.ts'
import { MemoryArena } from '../../runtime/objects/arena-memory.ts'
import type { Draw } from './draw.ts'
import type { SimProcess } from './process.ts'
import type { Scheduler } from './scheduler.ts'

/** Its pages are there for who has opened it, also when its raylet has closed it. */
class SharedArena extends MemoryArena {
  override close(): Promise<void> {
    return Promise.resolve()
  }
}

interface Mapping {
  readonly process: SimProcess
  readonly offset: number
  readonly before: Uint8Array
}

/** How long user code looks at a value before it is garbage. */
const LOOK_MS = 40

export class SimArena {
  readonly arena: MemoryArena
  readonly #scheduler: Scheduler
  readonly #draw: Draw
  readonly #mappings = new Set<Mapping>()
  readonly #raw: ArenaClient

  constructor(scheduler: Scheduler, draw: Draw, sizeBytes: number) {
    this.#scheduler = scheduler
    this.#draw = draw
    this.arena = new SharedArena({ sizeBytes })
    this.#raw = this.arena.open()
  }

  get mappingCount(): number {
    return [...this.#mappings].filter(({ process }) => process.alive).length
  }

  client(process: SimProcess): ArenaClient {
    return {
      writable: (offset, sizeBytes) => this.#raw.writable(offset, sizeBytes),
      written: () => undefined,
      readable: (offset, sizeBytes, released) => {
        const before = this.#raw.readable(offset, sizeBytes)
        const mapping = { process, offset, before: before.slice() }
        this.#mappings.add(mapping)
        process.later(this.#draw.between(0, LOOK_MS), 'unmaps', () => {
          this.#check(mapping)
          this.#mappings.delete(mapping)
          released?.()
        })
        return before
      },
      close: () => undefined,
    }
  }

  /** Mapped pages show what they showed when they were mapped. */
  verify(): void {
    for (const mapping of this.#mappings) this.#check(mapping)
  }

  #check(mapping: Mapping): void {
    if (!mapping.process.alive) {
      this.#mappings.delete(mapping)
      return
    }
    const { offset, before } = mapping
    const now = this.#raw.readable(offset, before.byteLength)
    if (Buffer.compare(now, before) === 0) return
    this.#scheduler.fail(
      `I2: pages at ${String(offset)} changed under a mapping of ${mapping.process.name}`,
    )
  }
}
