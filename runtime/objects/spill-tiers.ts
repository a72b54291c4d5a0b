// A spill place of two tiers: the local disk, and a bucket for what the disk cannot take. Objects
// larger than the arena, which their producers write by path, are always on the disk.
// Source: faults.md F66, F67; Ray has one place per cluster (external_storage.py).
import { CapacityError } from '../common/errors.ts'
import {
  type SpillPlace,
  type SpillRange,
  type SpillSink,
  type SpillSource,
  allOf,
} from './spill.ts'

export interface SpillTiers {
  readonly disk: SpillPlace
  readonly bucket: SpillPlace
  /** Whether the disk is used while it can be: faster, and gone with the node. */
  readonly diskFirst: boolean
}

export class TieredSpill implements SpillPlace {
  readonly #tiers: SpillTiers
  /** Ranges that lie in the bucket; freed with their objects. */
  readonly #inBucket = new WeakSet<SpillRange>()

  constructor(tiers: SpillTiers) {
    this.#tiers = tiers
  }

  get hasFiles(): boolean {
    return this.#tiers.disk.hasFiles
  }

  async write(sources: readonly SpillSource[]): Promise<readonly SpillRange[]> {
    const { disk, diskFirst } = this.#tiers
    if (!diskFirst) return this.#writeToBucket(sources)
    try {
      return await disk.write(sources)
    } catch (error) {
      if (!(error instanceof CapacityError)) throw error
      return this.#writeToBucket(sources)
    }
  }

  read(range: SpillRange, sink: SpillSink): Promise<void> {
    return this.#placeOf(range).read(range, sink)
  }

  remove(range: SpillRange): Promise<void> {
    return this.#placeOf(range).remove(range)
  }

  openDirect(sizeBytes: number): Promise<string> {
    return this.#tiers.disk.openDirect(sizeBytes)
  }

  sealDirect(path: string, sizeBytes: number, goOn?: () => void): Promise<SpillRange> {
    return this.#tiers.disk.sealDirect(path, sizeBytes, goOn)
  }

  writeDirect(path: string, offset: number, bytes: Uint8Array): Promise<void> {
    return this.#tiers.disk.writeDirect(path, offset, bytes)
  }

  readDirect(...part: Parameters<SpillPlace['readDirect']>): Promise<Uint8Array> {
    return this.#tiers.disk.readDirect(...part)
  }

  abortDirect(path: string): Promise<void> {
    return this.#tiers.disk.abortDirect(path)
  }

  async close(): Promise<void> {
    await allOf([this.#tiers.disk.close(), this.#tiers.bucket.close()])
  }

  async #writeToBucket(sources: readonly SpillSource[]): Promise<readonly SpillRange[]> {
    const ranges = await this.#tiers.bucket.write(sources)
    for (const range of ranges) this.#inBucket.add(range)
    return ranges
  }

  #placeOf(range: SpillRange): SpillPlace {
    return this.#inBucket.has(range) ? this.#tiers.bucket : this.#tiers.disk
  }
}
