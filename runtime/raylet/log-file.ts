// Log files of a session: appended to without waiting, rotated at LOG_BYTES_MAX, LOG_FILES_MAX
// files at most (name.log, name.1.log ... name.4.log, the oldest last).
// One write is on its way at a time; busy once more than PENDING_BYTES_MAX wait behind it.
import { closeSync, openSync, renameSync, write } from 'node:fs'
import type { LogSink } from './output.ts'

const LOG_BYTES_MAX = 100 * 1024 * 1024
export const LOG_FILES_MAX = 5
const PENDING_BYTES_MAX = 1024 * 1024

export interface LogFileOptions {
  /** Full path without `.log`. */
  readonly path: string
  readonly bytesMax?: number
  /** Told once when a write fails, as on a full disk; later lines are dropped. */
  readonly onError: (error: Error) => void
}

/** The file is made at the first line. */
export function logFile(options: LogFileOptions): LogSink {
  return new LogFile(options)
}

class LogFile implements LogSink {
  readonly #options: LogFileOptions
  #fd: number | undefined
  #sizeBytes = 0
  /** Who writes stops reading above PENDING_BYTES_MAX (isBusy). */
  #pending: Uint8Array[] = []
  #pendingBytes = 0
  #writing = false
  #closing = false
  #failed = false
  onDrained: (() => void) | undefined

  constructor(options: LogFileOptions) {
    this.#options = options
  }

  get path(): string {
    return `${this.#options.path}.log`
  }

  isBusy(): boolean {
    return this.#pendingBytes > PENDING_BYTES_MAX
  }

  write(chunk: Uint8Array): void {
    if (this.#failed) return
    this.#pending.push(chunk)
    this.#pendingBytes += chunk.length
    this.#next()
  }

  close(): void {
    this.#closing = true
    if (!this.#writing) this.#end()
  }

  #next(): void {
    if (this.#writing || this.#pending.length === 0) return
    const bytes = this.#pending.length === 1 ? this.#pending[0] : Buffer.concat(this.#pending)
    if (bytes === undefined) return
    this.#pending = []
    this.#writing = true
    try {
      const fd = this.#open(bytes.length)
      this.#writeAll(fd, bytes, 0)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #writeAll(fd: number, bytes: Uint8Array, from: number): void {
    write(fd, bytes, from, bytes.length - from, null, (error, count) => {
      if (error !== null) this.#fail(error)
      else if (from + count < bytes.length) this.#writeAll(fd, bytes, from + count)
      else this.#wrote(bytes.length)
    })
  }

  #wrote(sizeBytes: number): void {
    this.#writing = false
    this.#sizeBytes += sizeBytes
    this.#pendingBytes = this.#pending.reduce((sum, chunk) => sum + chunk.length, 0)
    if (!this.isBusy()) this.onDrained?.()
    if (this.#pending.length > 0) this.#next()
    else if (this.#closing) this.#end()
  }

  #open(moreBytes: number): number {
    const { path, bytesMax = LOG_BYTES_MAX } = this.#options
    if (this.#fd !== undefined && this.#sizeBytes > 0 && this.#sizeBytes + moreBytes > bytesMax) {
      closeSync(this.#fd)
      this.#fd = undefined
      rotate(path)
      this.#sizeBytes = 0
    }
    this.#fd ??= openSync(`${path}.log`, 'a', 0o600)
    return this.#fd
  }

  #fail(error: Error): void {
    this.#writing = false
    this.#failed = true
    this.#pending = []
    this.#pendingBytes = 0
    this.#options.onError(error)
    this.onDrained?.()
    if (this.#closing) this.#end()
  }

  #end(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }
}

function rotate(path: string): void {
  for (let index = LOG_FILES_MAX - 2; index >= 0; index--) {
    const from = index === 0 ? `${path}.log` : `${path}.${String(index)}.log`
    try {
      renameSync(from, `${path}.${String(index + 1)}.log`)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}
