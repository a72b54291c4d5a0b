// What goes into the pull manager and comes out of it. Data only; see pull-manager.ts.

/** A get waits for it; or a task that will run when its arguments are here. */
export type PullPurpose = 'get' | 'argument'

export type PullEvent =
  | {
      readonly type: 'want'
      /** Whoever wants it: unwanted by the same name. */
      readonly by: string
      readonly objectId: string
      readonly sizeBytes: number
      readonly purpose: PullPurpose
      /** Nodes that have it, best first. */
      readonly holders: readonly string[]
    }
  | { readonly type: 'unwant'; readonly by: string; readonly objectId: string }
  | { readonly type: 'holderFound'; readonly objectId: string; readonly holder: string }
  /** The holder's copy, or its node, is gone. */
  | { readonly type: 'holderLost'; readonly objectId: string; readonly holder: string }
  | { readonly type: 'roomMade'; readonly pull: number }
  | { readonly type: 'roomRefused'; readonly pull: number; readonly error: Error }
  | { readonly type: 'chunkCame'; readonly pull: number; readonly chunk: Chunk }
  /** Damaged, refused or late. */
  | {
      readonly type: 'chunkFailed'
      readonly pull: number
      readonly chunk: Chunk
      readonly reason: string
      /** F41. */
      readonly isDamaged?: boolean
    }
  | { readonly type: 'timer' }

/** A range of an object, asked of one holder. */
export interface Chunk {
  readonly holder: string
  readonly offset: number
  readonly sizeBytes: number
}

/** What concerns one pull: its number, which is never used again, and its object. */
export interface PullName {
  readonly pull: number
  readonly objectId: string
}

export type PullEffect = PullName &
  /** Answer roomMade or roomRefused. */
  (
    | { readonly type: 'makeRoom'; readonly sizeBytes: number }
    /** Answer chunkCame, once its checksum is right and it is written; or chunkFailed. */
    | { readonly type: 'ask'; readonly chunk: Chunk }
    /** Its bytes are whole: seal it. */
    | { readonly type: 'pulled'; readonly wantedBy: readonly string[] }
    | { readonly type: 'failed'; readonly wantedBy: readonly string[]; readonly error: Error }
    /** Nobody wants it any more, or it failed: give its room back. */
    | { readonly type: 'abort' }
  )
