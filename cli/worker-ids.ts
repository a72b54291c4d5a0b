// Ids of workers as people see and type them. An id is a counter, which each node begins anew, and
// then the id of its node.
import { WORKER_NUMBER_BYTES } from '../runtime/common/ids.ts'

/** Of a node's id, wherever it is shown as a part. */
export const SHOWN_NODE_CHARS = 8
const NUMBER_CHARS = 2 * WORKER_NUMBER_BYTES
/** Before the id in the name of a worker's log. */
export const WORKER = 'worker-'

/** @returns a start of the id that no other worker has; of a single node, its number. */
export const shownWorkerId = (workerId: string, nodeCount: number): string =>
  workerId.slice(0, NUMBER_CHARS + (nodeCount > 1 ? SHOWN_NODE_CHARS : 0))

/** `NAME`, or `NAME-06cfb93a` where there are several nodes. */
export const atNode = (name: string, nodeId: string, nodeCount: number): string =>
  nodeCount > 1 ? `${name}-${nodeId.slice(0, SHOWN_NODE_CHARS)}` : name

/** What the id of a worker starts with, of a start of the id or of the name of its log. */
export const workerIdStart = (text: string): string =>
  (text.startsWith(WORKER) ? text.slice(WORKER.length) : text).replaceAll('-', '').toLowerCase()
