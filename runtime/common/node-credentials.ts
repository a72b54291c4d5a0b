// What makes a raylet a node of a cluster of several: who it is, the proof of it, and where it is
// reached. Lies in its session folder, where only the owner of the cluster may read
// (session-file.ts).

export interface NodeCredentials {
  /** The cluster's name. */
  readonly cluster: string
  /** Hex. */
  readonly nodeId: string
  readonly epoch: number
  /** At which its processes listen for those of other nodes: an address of its machine. */
  readonly host: string
  /** In PEM: of the cluster's authority, of this node, and its key. */
  readonly authority: string
  readonly certificate: string
  readonly privateKey: string
  /** The authority's key, in PEM: who has it lets others join. */
  readonly authorityKey: string
}

/** Those of a new cluster, or that join one. */
export interface NewNodes {
  readonly count: number
  /** The address of this machine at which others reach them. */
  readonly host: string
  /** Its name. Default: one is made up. */
  readonly cluster?: string | undefined
  /** A node of the cluster that they join. Default: the cluster is new. */
  readonly join?: NodeCredentials
}
