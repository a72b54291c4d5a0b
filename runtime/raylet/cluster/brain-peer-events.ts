// Events and effects of what brains ask of each other, for each family of calls: brain-peers.ts
// performs them. Part of the vocabulary of turn.ts.

/** Calls by name: [message, answer]. */
type Calls<T> = Record<keyof T, readonly [object, object]>

interface Call<T extends Calls<T>> {
  readonly type: keyof T & string
  readonly message: T[keyof T][0]
}

export interface AskedByNode<Kind extends string, T extends Calls<T>> extends Call<T> {
  readonly kind: Kind
  /** Hex. */
  readonly from: string
  readonly request: number
}

/** What came of an `AskOfNode`; without an answer the node could not be asked. */
export interface AnsweredByNode<Kind extends string, T extends Calls<T>> extends Call<T> {
  readonly kind: Kind
  readonly nodeId: string
  readonly answer: T[keyof T][1] | undefined
}

/** `nodeId`: this node itself too, while it is the one to ask. */
export interface AskOfNode<Kind extends string, T extends Calls<T>> extends Call<T> {
  readonly kind: Kind
  readonly nodeId: string
}
