// What placement knows of a node: its size, what is free now, and its labels. A view may be stale.
import { fits, type ResourceSet } from '../common/resources.ts'

export interface NodeView {
  /** Hex, as users see it. */
  readonly nodeId: string
  readonly totals: ResourceSet
  /** What is free now; amounts may be below zero while a node is oversubscribed. */
  readonly free: ResourceSet
  readonly labels: Readonly<Record<string, string>>
  /** Bytes of the task's large arguments that lie there. */
  readonly argumentBytes?: number
  /** The node that is asking: wins where nothing speaks against it. */
  readonly preferred?: boolean
}

/** The label every node has: its own id. */
export const NODE_ID_LABEL = 'virga.io/node-id'

/** Feasible: the node could ever hold it. Available: it can now. */
export const isFeasible = (node: NodeView, demand: ResourceSet): boolean =>
  fits(demand, node.totals)
export const isAvailable = (node: NodeView, demand: ResourceSet): boolean => fits(demand, node.free)
