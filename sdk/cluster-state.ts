// What the cluster consists of: nodes, and resources in all and free, as the raylet knows them now.
import { NODE_ID_LABEL } from '../runtime/common/label-selector.ts'
import type { NodeInfo, Resources } from '../runtime/common/surface.ts'
import { currentWorker } from './current.ts'

/** Only a node that does not answer has the mark. */
type NodeRow = Omit<NodeInfo, 'suspected'> & { readonly suspected?: boolean }

/** The nodes of the cluster. @throws UsageError before init(). */
export async function nodes(): Promise<NodeInfo[]> {
  const rows = (await rowsOf('nodes', 'nodes()')) as unknown as readonly NodeRow[]
  return rows.map((row) => {
    const { nodeId, pid, address, alive, state, isGcsHost, resources, available, labels } = row
    return {
      ...{ nodeId, pid, address, alive, state, isGcsHost, resources },
      suspected: row.suspected === true,
      available: { ...noneOf(resources), ...available },
      labels: { ...labels, [NODE_ID_LABEL]: nodeId },
      epoch: row.epoch,
    }
  })
}

/** What is used up is shown as 0. */
function noneOf(resources: Resources): Resources {
  return Object.fromEntries(Object.keys(resources).map((name) => [name, 0]))
}

/** What all nodes have together: CPU and GPU in units, memory in bytes, custom ones in units. */
export function clusterResources(): Promise<Resources> {
  return amounts('total', 'clusterResources()')
}

/** What of it is free now; tasks that wait in `get` have given their CPUs back. */
export function availableResources(): Promise<Resources> {
  return amounts('free', 'availableResources()')
}

interface ResourceRow {
  readonly name: string
  readonly total: number
  readonly free: number
}

async function amounts(column: 'total' | 'free', call: string): Promise<Resources> {
  const rows = (await rowsOf('resources', call)) as unknown as readonly ResourceRow[]
  return Object.fromEntries(rows.map((row) => [row.name, row[column]]))
}

async function rowsOf(kind: string, call: string): Promise<readonly object[]> {
  const { rows } = await currentWorker(call).deps.raylet.request('state', { kind })
  return rows
}
