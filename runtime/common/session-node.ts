// A raylet of this machine, as its session folder tells others of it (session-file.ts).

/** What node.json and current.json say. */
export interface SessionNode {
  readonly pid: number
  /** Of the raylet's process, as /proc tells; '' where there is no /proc. */
  readonly startTime: string
  /** Path of the raylet's socket. */
  readonly address: string
  readonly sessionDir: string
  /** Hex. */
  readonly nodeId: string
  readonly epoch: number
  /** TCP port users may name it by (`127.0.0.1:6379`); nothing listens there yet. */
  readonly port?: number
  /** The cluster's name, where it has several nodes: those only `virga start` makes. */
  readonly cluster?: string
  /** By which the other nodes of it reach this one: HOST:PORT/NODE/EPOCH. */
  readonly nodeAddress?: string
  /** What holds its GCS: such an address of a node, the URL of a DynamoDB, or AWS. */
  readonly gcs?: string
}
