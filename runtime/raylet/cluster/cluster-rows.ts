// Rows of the whole cluster, put together from what each node answered about itself (pure).
//   CR1. A node that did not answer, or is dead, still has a row: what the GCS knows of it. Unless
//        it is dead by that, it is suspected.
//   CR2. What several nodes have of one resource is one row.
//   CR3. A placement group is one row: as its coordinator has it, with what is free of each bundle
//        by the word of the node that has it.
//   CR4. What waits on several nodes in the same way, for the same, is one row. Why it waits for a
//        limiter says the node that gives its tokens out, if that answered.
//   CR5. An actor is one row, a living one before those of nodes that know it to be dead.
import { toResources, unitsPerOne } from '../../common/resources.ts'
import type { NodeRow } from '../../gcs/nodes.ts'
import type { RayletCalls, StateRow } from '../../protocol/messages.ts'
import { asKeeperSays } from '../limiters/why-tokens.ts'
import { limited } from '../state-rows.ts'

type Answer = RayletCalls['state'][1]

export interface ClusterQuestion {
  readonly kind: string
  readonly limit: number
  /** What the GCS knows, this node and the dead included. */
  readonly nodes: readonly NodeRow[]
}

/** @param answers  of each node that answered, this one first. */
export function clusterRows(question: ClusterQuestion, answers: readonly Answer[]): Answer {
  const all = answers.flatMap(({ rows }) => rows)
  const { rows, dropped } = limited(completed(question, all), question.limit)
  return { rows, dropped: answers.reduce((sum, answer) => sum + answer.dropped, dropped) }
}

function completed(question: ClusterQuestion, rows: readonly StateRow[]): readonly StateRow[] {
  if (question.kind === 'resources') return summed(rows)
  if (question.kind === 'groups') return onePerGroup(rows)
  if (question.kind === 'why') return onePerShape(asKeeperSays(rows))
  if (question.kind === 'actors') return onePerActor(rows)
  if (question.kind !== 'nodes') return rows
  const answered = new Set(rows.map((row) => row['nodeId']))
  const others = question.nodes.filter(({ nodeId }) => !answered.has(nodeId))
  return [...rows, ...others.map(nodeRowOf)]
}

/** CR1. Nobody knows what is free there. */
function nodeRowOf(node: NodeRow): StateRow {
  const { nodeId, epoch, state, labels, address, pid, death } = node
  return {
    nodeId,
    epoch,
    alive: state !== 'DEAD',
    state,
    isGcsHost: false,
    resources: toResources(node.totals),
    available: {},
    labels,
    workers: 0,
    address,
    pid,
    ...(state === 'DEAD' ? {} : { suspected: true }),
    ...(death === undefined ? {} : { death }),
  }
}

/** CR5. */
function onePerActor(rows: readonly StateRow[]): StateRow[] {
  const actors = new Map<unknown, StateRow>()
  for (const row of rows) {
    const known = actors.get(row['actorId'])
    if (known === undefined || known['state'] === 'DEAD') actors.set(row['actorId'], row)
  }
  return [...actors.values()]
}

/** CR2. In whole units, as each node counts them: 0.1 + 0.2 is 0.3. */
function summed(rows: readonly StateRow[]): StateRow[] {
  const sums = new Map<unknown, { total: number; free: number }>()
  for (const { name, total, free } of rows) {
    const sum = sums.get(name) ?? { total: 0, free: 0 }
    sum.total += Number(total)
    sum.free += Number(free)
    sums.set(name, sum)
  }
  return [...sums].map(([name, { total, free }]) => {
    const perOne = unitsPerOne(String(name))
    const exact = (amount: number): number => Math.round(amount * perOne) / perOne
    return { name, total: exact(total), free: exact(free) }
  })
}

/** CR4: how many in all, since the first of them. */
function onePerShape(rows: readonly StateRow[]): StateRow[] {
  const alike = Map.groupBy(rows, ({ kind, name, demand, why }) =>
    JSON.stringify([kind, name, demand, why]),
  )
  return [...alike.values()].map((of) => {
    const waits = of.flatMap(({ waitedMs }) => (typeof waitedMs === 'number' ? [waitedMs] : []))
    const count = of.reduce((sum, row) => sum + Number(row['count']), 0)
    return { ...of[0], count, waitedMs: waits.length === 0 ? null : Math.max(...waits) }
  })
}

interface BundleRow {
  readonly nodeId: string | null
  readonly free: Readonly<Record<string, number>>
}

/** CR3. Where the coordinator did not answer, what another was told of it. */
function onePerGroup(rows: readonly StateRow[]): StateRow[] {
  const groups = new Map<unknown, StateRow[]>()
  for (const row of rows) {
    groups.set(row['groupId'], [...(groups.get(row['groupId']) ?? []), row])
  }
  return [...groups.values()].flatMap((of) => {
    const first = of.find((row) => row['answeredBy'] === row['coordinator']) ?? of[0]
    if (first === undefined) return []
    const { answeredBy: _, ...row } = first
    const bundles = (row['bundles'] as BundleRow[]).map((bundle, index) => {
      const holder = of.find((each) => each['answeredBy'] === bundle.nodeId)
      const held = (holder?.['bundles'] as BundleRow[] | undefined)?.[index]
      return held === undefined ? bundle : { ...bundle, free: held.free }
    })
    return [{ ...row, bundles }]
  })
}
