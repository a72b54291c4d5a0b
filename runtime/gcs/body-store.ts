// The port for bodies: bytes too large for a row, under keys that are never written twice with
// different bytes. A row points at its bodies; what no row points at is swept (see bodies.ts).
// Implementations: memory, file (embedded cluster), S3.

export interface BodyInfo {
  readonly key: string
  readonly sizeBytes: number
  /** How long it has been there. */
  readonly ageMs: number
}

export interface BodyStore {
  /** May be repeated with the same bytes. */
  put(key: string, bytes: Uint8Array): Promise<void>
  get(key: string): Promise<Uint8Array | undefined>
  /** As good when it is gone already. */
  delete(key: string): Promise<void>
  /** At most `limit` bodies in the order of their keys, those after `after`. */
  list(prefix: string, options: { after?: string; limit: number }): Promise<readonly BodyInfo[]>
}
