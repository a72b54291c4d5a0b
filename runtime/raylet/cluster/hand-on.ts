// A node that leaves gives what only it holds to nodes that stay (F06): of objects that processes
// of other nodes own, its copy is the one that may not be dropped. What none of them takes goes to
// the cluster's bucket, if it has one.
// Invariants:
//   HN1. An object counts as handed on only when another node has said that it keeps it, or its
//        copy in the bucket is told to the GCS; what goes nowhere within the limit is lost with
//        this node, and is told in its log.
//   HN2. Nodes that wait for room themselves leave half of the time for the bucket.
import { within, type Clock } from '../../common/clock.ts'
import { VirgaError } from '../../common/errors.ts'
import type { ObjectId } from '../../common/ids.ts'
import type { Log } from '../../common/log.ts'
import type { ObjectStore } from '../../objects/store.ts'
import type { ClusterMember } from './cluster-member.ts'

/** Objects on their way at a time. */
const AT_A_TIME = 4

export interface HandOnDeps {
  readonly member: Pick<ClusterMember, 'ask' | 'nodes'>
  readonly clock: Clock
  readonly log: Log
  /** Hex. */
  readonly nodeId: string
  readonly store: ObjectStore
  /** Whether an object ends with this node, as its owner does. */
  readonly endsHere: (owner: string) => boolean
  /** Resolves when a copy in the bucket is there for all; undefined: the cluster has no bucket. */
  readonly keepInBucket: ((objectId: ObjectId) => Promise<void>) | undefined
}

/** Resolves when all are handed on, or `limitMs` is over. */
export async function handOn(deps: HandOnDeps, limitMs: number): Promise<void> {
  const { clock, log, store, endsHere, nodeId, member, keepInBucket } = deps
  const left = store.list().flatMap(({ objectId }) => {
    const held = store.holding(objectId)
    return held?.isPrimary === true && !endsHere(held.owner) ? [objectId] : []
  })
  const isStaying = (state: string, id: string): boolean => state === 'ALIVE' && id !== nodeId
  const takers = member.nodes().flatMap((node) => {
    return isStaying(node.state, node.nodeId) ? [node.nodeId] : []
  })
  if (left.length === 0) return
  const keptBefore = left.length
  const forNodesMs = keepInBucket === undefined ? limitMs : limitMs / 2 // HN2
  const untilMs = clock.monotonicMs() + forNodesMs
  let lost = 0
  const work = async (): Promise<void> => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      const isKept =
        (await giveAway(deps, id, { takers, untilMs })) || (await putAway(deps, id as ObjectId))
      if (!isKept) lost += 1
    }
  }
  const workers = Promise.all(Array.from({ length: AT_A_TIME }, work))
  await within(clock, limitMs, workers)
  const lostCount = lost + left.length
  log.info('what only this node held was handed on', { count: keptBefore, lostCount })
}

/** HN1. Each is asked in turn, so that one that is full is not the end of it. */
async function giveAway(
  { member, clock }: HandOnDeps,
  objectId: string,
  { takers, untilMs }: { readonly takers: string[]; readonly untilMs: number },
): Promise<boolean> {
  for (let tries = takers.length; tries > 0; tries -= 1) {
    const taker = takers.shift()
    if (taker === undefined) return false
    takers.push(taker)
    const limitMs = untilMs - clock.monotonicMs()
    if (limitMs <= 0) return false
    // One that is away, or has no room, is passed over: the next one may have it.
    const isKept = await member.ask(taker, 'keepObject', { objectId }, limitMs).catch(() => false)
    if (isKept) return true
  }
  return false
}

async function putAway({ keepInBucket, log }: HandOnDeps, objectId: ObjectId): Promise<boolean> {
  if (keepInBucket === undefined) return false
  try {
    await keepInBucket(objectId)
    return true
  } catch (error) {
    if (!(error instanceof VirgaError)) throw error
    log.warn('what no node took is not in the bucket either', { error: error.message })
    return false
  }
}
