// What the tables were charged in virtual time: by second, by key and in all, as DynamoDB would.
import type { Consumed, Meter } from '../../../runtime/gcs/meter.ts'
import type { VirtualTime } from './virtual-time.ts'

export interface Usage {
  readonly seconds: number
  readonly writeUnits: number
  readonly readUnits: number
  /** Of the key that was charged the most in one second. DynamoDB's cap is 1,000 writes. */
  readonly hottest: { readonly key: string; readonly unitsPerSecond: number }
}

export class Units implements Meter {
  readonly #time: VirtualTime
  #fromMs: number
  #second = 0
  readonly #inSecond = new Map<string, number>()
  #writeUnits = 0
  #readUnits = 0
  #hottest = { key: '', unitsPerSecond: 0 }

  constructor(time: VirtualTime) {
    this.#time = time
    this.#fromMs = time.monotonicMs()
  }

  record({ table, pk = '', readUnits, writeUnits }: Consumed): void {
    const second = Math.floor(this.#time.monotonicMs() / 1_000)
    if (second !== this.#second) {
      this.#second = second
      this.#inSecond.clear()
    }
    const key = `${table} ${pk}`
    const unitsPerSecond = (this.#inSecond.get(key) ?? 0) + readUnits + writeUnits
    this.#inSecond.set(key, unitsPerSecond)
    if (unitsPerSecond > this.#hottest.unitsPerSecond) this.#hottest = { key, unitsPerSecond }
    this.#writeUnits += writeUnits
    this.#readUnits += readUnits
  }

  /** What was charged since the last call. */
  take(): Usage {
    const nowMs = this.#time.monotonicMs()
    const usage = {
      seconds: (nowMs - this.#fromMs) / 1_000,
      writeUnits: this.#writeUnits,
      readUnits: this.#readUnits,
      hottest: this.#hottest,
    }
    this.#fromMs = nowMs
    this.#inSecond.clear()
    this.#writeUnits = 0
    this.#readUnits = 0
    this.#hottest = { key: '', unitsPerSecond: 0 }
    return usage
  }
}
