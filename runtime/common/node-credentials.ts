// What makes a raylet a node of a cluster of several: who it is, and the proof of it. Lies in its
// session folder, where only the owner of the cluster may read (session-file.ts).

export interface NodeCredentials {
  /** The cluster's name. */
  readonly cluster: string
  /** Hex. */
  readonly nodeId: string
  readonly epoch: number
  /** In PEM: of the cluster's authority, of this node, and its key. */
  readonly authority: string
  readonly certificate: string
  readonly privateKey: string
}
