// The port to the memory of this machine: what the node uses, and each worker.

export interface MemoryReading {
  readonly usedBytes: number
  /** Of the machine, or of the cgroup if that is less. */
  readonly totalBytes: number
  /** By pid; processes that are gone are left out. */
  readonly processes: ReadonlyMap<number, ProcessMemory>
}

export interface ProcessMemory {
  /** Of its own: objects that it maps from the store are not counted. */
  readonly rssBytes: number
  /** The most it ever had, all included. */
  readonly peakRssBytes: number
}

export interface MemoryProbe {
  /** Quick and synchronous; undefined where the machine does not tell. */
  read(pids: readonly number[]): MemoryReading | undefined
}
