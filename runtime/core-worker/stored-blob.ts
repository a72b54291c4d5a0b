// The blob of a stored object while its value is decoded. What that takes is read where it lies, in
// the map of the store that this process has anyway; a mapping of its own is made only for arrays
// that are views of it, as making and ending one is most of what such a get costs.
// Invariants:
//   RB1. The object stays pinned until close(), and for as long as what `view` gave.
import type { ArenaClient } from '../objects/arena-access.ts'
import type { DecodeOptions, ValueCodec } from '../protocol/value-codec.ts'

export interface StoredBlob {
  /** To be read before anything is awaited, and not handed out. */
  readonly bytes: Uint8Array
  /** The same bytes, to be handed out. */
  readonly view: () => Uint8Array
  close(): void
}

/** The value of a blob, which is closed. Large arrays are views of it unless `copy` is set. */
export function decodeStored(
  codec: ValueCodec,
  blob: StoredBlob,
  options: Omit<DecodeOptions, 'view'>,
): unknown {
  try {
    const { view } = blob
    if (options.copy === true) return codec.decode(view(), options)
    return codec.decode(blob.bytes, { ...options, view })
  } finally {
    blob.close()
  }
}

/** Bytes that are the reader's own. */
export function ownBlob(bytes: Uint8Array): StoredBlob {
  return { bytes, view: () => bytes, close: () => undefined }
}

/** A blob in the arena. @param released  its pin may end: called once. */
export function arenaBlob(
  client: ArenaClient,
  { offset, sizeBytes }: { readonly offset: number; readonly sizeBytes: number },
  released: () => void,
): StoredBlob {
  let mapped: Uint8Array | undefined
  const view = (): Uint8Array => (mapped ??= client.readable(offset, sizeBytes, released))
  const bytes = client.inPlace?.(offset, sizeBytes) ?? view()
  const close = (): void => {
    if (mapped === undefined) released()
  }
  return { bytes, view, close }
}
