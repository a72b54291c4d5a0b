// Bodies in this process: tests and simulation.
import type { Clock } from '../common/clock.ts'
import type { BodyInfo, BodyStore } from './body-store.ts'

export class MemoryBodyStore implements BodyStore {
  readonly #clock: Clock
  readonly #bodies = new Map<string, { readonly bytes: Uint8Array; readonly atMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  put(key: string, bytes: Uint8Array): Promise<void> {
    this.#bodies.set(key, { bytes: Uint8Array.from(bytes), atMs: this.#clock.monotonicMs() })
    return Promise.resolve()
  }

  get(key: string): Promise<Uint8Array | undefined> {
    const body = this.#bodies.get(key)
    return Promise.resolve(body && Uint8Array.from(body.bytes))
  }

  delete(key: string): Promise<void> {
    this.#bodies.delete(key)
    return Promise.resolve()
  }

  list(
    prefix: string,
    { after = '', limit }: { after?: string; limit: number },
  ): Promise<readonly BodyInfo[]> {
    const nowMs = this.#clock.monotonicMs()
    const infos = [...this.#bodies]
      .filter(([key]) => key.startsWith(prefix) && key > after)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .slice(0, limit)
      .map(([key, { bytes, atMs }]) => ({
        key,
        sizeBytes: bytes.byteLength,
        ageMs: nowMs - atMs,
      }))
    return Promise.resolve(infos)
  }
}
