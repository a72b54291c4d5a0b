// A node that leaves gives what would end with it to nodes that stay (F06): what its processes own
// and others need, as each of them leaves, and in the end objects of other owners of which its copy
// is the one that may not be dropped. What none of them takes goes to the cluster's bucket, if it
// has one.
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
import type { Holders } from './holder-search.ts'

/** Objects on their way at a time. */
const AT_A_TIME = 4

export interface HandOnDeps {
  readonly member: Pick<ClusterMember, 'ask' | 'nodes'>
  readonly clock: Clock
  readonly log: Log
  /** Hex. */
  readonly nodeId: string
  readonly store: ObjectStore
  readonly holdersOf: (objectId: string) => Promise<Pick<Holders, 'holders'>>
  /** Resolves when a copy in the bucket is there for all; undefined: the cluster has no bucket. */
  readonly keepInBucket: ((objectId: ObjectId) => Promise<void>) | undefined
}

/** What would be lost with this node. @param endsHere  whether an owner ends with it too. */
export function onlyHere(store: ObjectStore, endsHere: (owner: string) => boolean): ObjectId[] {
  const sole = store.list().filter(({ objectId }) => {
    const held = store.holding(objectId)
    return held?.isPrimary === true && !endsHere(held.owner)
  })
  return sole.map(({ objectId }) => objectId as ObjectId)
}

/** Once all are handed on, or `limitMs` is over. @returns those that are. */
export async function handOn(
  deps: HandOnDeps,
  objectIds: readonly ObjectId[],
  limitMs: number,
): Promise<readonly ObjectId[]> {
  const { clock, log, nodeId, member, keepInBucket } = deps
  const left = [...objectIds]
  const isStaying = (state: string, id: string): boolean => state === 'ALIVE' && id !== nodeId
  const takers = member.nodes().flatMap((node) => {
    return isStaying(node.state, node.nodeId) ? [node.nodeId] : []
  })
  if (left.length === 0) return []
  const forNodesMs = keepInBucket === undefined ? limitMs : limitMs / 2 // HN2
  const untilMs = clock.monotonicMs() + forNodesMs
  const kept: ObjectId[] = []
  const work = async (): Promise<void> => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      const isKept = (await giveAway(deps, id, { takers, untilMs })) || (await putAway(deps, id))
      if (isKept) kept.push(id)
    }
  }
  const workers = Promise.all(Array.from({ length: AT_A_TIME }, work))
  await within(clock, limitMs, workers)
  const count = objectIds.length
  log.info('what would end with this node was handed on', { count, lostCount: count - kept.length })
  return [...kept] // what is still under way goes on without being counted
}

interface Takers {
  /** Who stays. */
  readonly takers: string[]
  readonly untilMs: number
}

/** HN1. Each is asked in turn, so that one that is full is not the end of it. */
async function giveAway(deps: HandOnDeps, objectId: string, to: Takers): Promise<boolean> {
  const { takers } = to
  if (await keptWhereItLies(deps, objectId, to)) return true
  for (let tries = takers.length; tries > 0; tries -= 1) {
    const taker = takers.shift()
    if (taker === undefined) return false
    takers.push(taker)
    if (await isTakenBy(deps, taker, { objectId, untilMs: to.untilMs })) return true
  }
  return false
}

/** What a process of this node had made elsewhere. */
async function keptWhereItLies(
  deps: HandOnDeps,
  objectId: string,
  { takers, untilMs }: Takers,
): Promise<boolean> {
  if (deps.store.holding(objectId)?.isPrimary === true) return false
  const { holders } = await deps.holdersOf(objectId)
  for (const { nodeId } of holders) {
    if (!takers.includes(nodeId)) continue
    if (await isTakenBy(deps, nodeId, { objectId, untilMs })) return true
  }
  return false
}

/** One that is away, or has no room, is passed over: the next one may have it. */
async function isTakenBy(
  { member, clock }: HandOnDeps,
  taker: string,
  { objectId, untilMs }: { readonly objectId: string; readonly untilMs: number },
): Promise<boolean> {
  const limitMs = untilMs - clock.monotonicMs()
  if (limitMs <= 0) return false
  return await member.ask(taker, 'keepObject', { objectId }, limitMs).catch(() => false)
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
