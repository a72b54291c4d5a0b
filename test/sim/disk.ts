// The spill disk of a simulated node: slow, full at times, and failing at times. What a write that
// fails leaves behind is nothing (SL2), and what a read returns is right or refused (SL1), as the
// contract of spill.ts says; the faults are those that it allows.
import type { DirectAccess } from '../../runtime/objects/arena-access.ts'
import {
  corrupted,
  spillFailed,
  type SpillPlace,
  type SpillRange,
} from '../../runtime/objects/spill.ts'
import { MemorySpill } from '../../runtime/objects/spill-memory.ts'
import type { Draw } from './draw.ts'
import type { Probes } from './probes.ts'
import type { SimProcess } from './process.ts'

export interface DiskQuality {
  readonly capacityBytes: number
  readonly latencyMs: number
  /** Share of writes that fail. */
  failChance: number
  /** Share of reads that find a range damaged; it stays so. */
  damageChance: number
}

export class SimDisk implements SpillPlace {
  readonly hasFiles = true
  readonly memory: MemorySpill
  readonly quality: DiskQuality
  readonly #process: SimProcess
  readonly #draw: Draw
  readonly #probes: Probes
  readonly #damaged = new WeakSet<SpillRange>()
  /** How many ranges were found damaged. */
  damageCount = 0

  constructor(process: SimProcess, parts: { draw: Draw; probes: Probes; quality: DiskQuality }) {
    this.#process = process
    this.#draw = parts.draw
    this.#probes = parts.probes
    this.quality = parts.quality
    this.memory = new MemorySpill({ capacityBytes: parts.quality.capacityBytes })
  }

  /** How a process of the node reads and writes what is larger than the arena. */
  directFor(process: SimProcess): DirectAccess {
    const { direct } = this.memory
    return {
      write: async (path, bytes) => {
        await this.#seek(process)
        await direct.write(path, bytes)
      },
      read: async (place) => {
        await this.#seek(process)
        return direct.read(place)
      },
    }
  }

  async write(sources: Parameters<SpillPlace['write']>[0]): ReturnType<SpillPlace['write']> {
    await this.#seek(this.#process)
    this.#mayFail()
    try {
      return await this.memory.write(sources)
    } catch (error) {
      this.#probes.hit('the disk is full')
      throw error
    }
  }

  async read(...args: Parameters<SpillPlace['read']>): Promise<void> {
    await this.#seek(this.#process)
    this.#mayBeDamaged(args[0])
    this.#probes.hit('a spilled object is restored')
    await this.memory.read(...args)
  }

  async remove(range: Parameters<SpillPlace['remove']>[0]): Promise<void> {
    await this.#seek(this.#process)
    await this.memory.remove(range)
  }

  async openDirect(sizeBytes: number): Promise<string> {
    await this.#seek(this.#process)
    this.#mayFail()
    return this.memory.openDirect(sizeBytes)
  }

  async sealDirect(
    ...args: Parameters<SpillPlace['sealDirect']>
  ): ReturnType<SpillPlace['sealDirect']> {
    await this.#seek(this.#process)
    return this.memory.sealDirect(...args)
  }

  async writeDirect(...args: Parameters<SpillPlace['writeDirect']>): Promise<void> {
    await this.#seek(this.#process)
    await this.memory.writeDirect(...args)
  }

  async readDirect(
    ...args: Parameters<SpillPlace['readDirect']>
  ): ReturnType<SpillPlace['readDirect']> {
    await this.#seek(this.#process)
    return this.memory.readDirect(...args)
  }

  async abortDirect(path: string): Promise<void> {
    await this.#seek(this.#process)
    await this.memory.abortDirect(path)
  }

  close(): Promise<void> {
    return this.memory.close()
  }

  #seek(process: SimProcess): Promise<void> {
    const ms = -Math.log(1 - this.#draw.next()) * this.quality.latencyMs
    return new Promise((resolve) => {
      process.later(ms, 'disk', resolve)
    })
  }

  #mayBeDamaged(range: SpillRange): void {
    const { damageChance } = this.quality
    if (!this.#damaged.has(range)) {
      if (damageChance === 0 || !this.#draw.chance(damageChance)) return
      this.#damaged.add(range)
      this.damageCount += 1
      this.#probes.hit('a spilled object is damaged')
    }
    throw corrupted(range, { sizeBytes: range.sizeBytes, checksum: 0 })
  }

  #mayFail(): void {
    if (!this.#draw.chance(this.quality.failChance)) return
    this.#probes.hit('a write to the disk fails')
    throw spillFailed('The simulated disk failed.', 'disk')
  }
}
