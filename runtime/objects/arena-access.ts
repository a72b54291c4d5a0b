// The two sides of a node's arena. The raylet holds the Arena: it grows it, and moves bytes to and
// from the spill place. Every driver and worker holds an ArenaClient: it fills the objects that it
// makes in place, and sees sealed ones.
//   arena-shm.ts     shared memory: zero-copy reads by private mappings
//   arena-file.ts    a plain file and copies, where there is no shared memory
//   arena-memory.ts  one buffer in this process, for inline mode and simulation
// Invariants, held by one contract suite for all three:
//   AA1. What `readable` gives is the reader's own: writing to it shows nowhere else.
//   AA2. `released` is called exactly once, when nothing can show the arena's bytes any more. Only
//       then may the object be unpinned: an untouched private page shows later writes.
//   AA3. A range is used only below `committedBytes`; running out is CapacityError, never SIGBUS.

export interface Arena {
  /** What the clients of this node open. */
  readonly path: string
  /** The size that it may grow to. */
  readonly sizeBytes: number
  /** How much of it is backed by memory or disk for sure. */
  readonly committedBytes: number
  /**
   * Backs the arena up to `toBytes`. Repeating it, or asking for less, does nothing.
   * @throws CapacityError when there is no room. `data.reason`: 'no-space'. Nothing has changed.
   */
  grow(toBytes: number): Promise<void>
  /** The bytes of a range, possibly in place: to be used before anything else is awaited. */
  read(offset: number, sizeBytes: number): Promise<Uint8Array>
  write(offset: number, bytes: Uint8Array): Promise<void>
  /** A range to be filled in place. Absent: only `write` can. */
  writable?(offset: number, sizeBytes: number): Uint8Array
  /** Gives the memory back. Mappings of clients stay valid. */
  close(): Promise<void>
}

/** Where a part of an object is to be put, until it is `written`. */
export interface PartPlace {
  readonly bytes: Uint8Array
  /** To be called when all of them are there. Absent: they are where they belong. */
  readonly written?: () => Promise<void>
}

export interface ArenaClient {
  /** A place to write the object that was created at `offset`, by the one who created it. */
  writable(offset: number, sizeBytes: number): Uint8Array
  /** Copies large bytes into what `writable` gave. Absent: `target.set(source)` is as good. */
  copy?(target: Uint8Array, source: Uint8Array): void
  /** To be called when `target`, as `writable` gave it, was filled: before the seal. */
  written(offset: number, target: Uint8Array): void
  /** The bytes of a sealed and pinned object where they lie, to be read before anything else is
   *  awaited and shown to nobody. Absent: there is no cheaper way than `readable`. */
  inPlace?(offset: number, sizeBytes: number): Uint8Array
  /**
   * A sealed and pinned object: a copy-on-write view, or a copy.
   * @param released  AA2. For a copy it is called before `readable` returns.
   */
  readable(offset: number, sizeBytes: number, released?: () => void): Uint8Array
  /** Closes what was opened. What `readable` gave stays valid. */
  close(): void
}

/**
 * How a client writes and reads an object that lies in a file of its own, because it is larger
 * than the arena: when `create` or `pin` answered with a `path`.
 */
export interface DirectAccess {
  /** @throws CapacityError when the disk is full; then abort the object. */
  write(path: string, bytes: Uint8Array): Promise<void>
  /**
   * The object of a pin, as a copy.
   * @throws ObjectCorruptedError when the bytes are missing, cut or changed.
   */
  read(place: DirectPlace): Promise<Uint8Array>
}

export interface DirectPlace {
  readonly path: string
  readonly offset: number
  readonly sizeBytes: number
  readonly checksum: number
}
