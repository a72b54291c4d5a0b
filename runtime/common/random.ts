// The random port: ids, jitter and sampling draw from it, so that a seed replays a run.
// Hashing stands beside it because both make ids and both belong to the machine's crypto module.

export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** `length` random bytes. */
  bytes(length: number): Uint8Array
}

export interface Hash {
  /** SHA-256 of the bytes: 32 bytes. */
  sha256(bytes: Uint8Array): Uint8Array
}
