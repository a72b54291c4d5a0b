// What outlives a process, seen from its raylet: how the objects that left it are made again is
// written to the GCS in segments (gcs/lineage.ts), and of those who hold refs of a dead process one
// adopts what it owned (gcs/owners.ts).
// Invariants:
//   AL1. Nobody is adopted who lives, unless it asks for that, as it leaves: the raylet of its node
//        says that the process is gone, or the node is dead: of one that is not seen here, the GCS
//        says so. While its node does not answer, who asks waits; of one that still lives it hears
//        so.
//   AL2. Of an owner there is one adopter, decided by its row; one that is gone too is followed by
//        another, with the next epoch.
//   AL3. What is remembered of written specs ends with the job of who owned them.
//   AL4. An outage of the GCS delays what only the GCS knows of a dead owner, and loses nothing:
//        who asked waits, as what it would be told instead is told for good.
import { delay, type Clock } from '../../common/clock.ts'
import { NodeDiedError, VirgaError } from '../../common/errors.ts'
import { fromHex, toHex, type JobId, type ObjectId, type WorkerId } from '../../common/ids.ts'
import type { Log } from '../../common/log.ts'
import { isOutage } from '../../gcs/attempts.ts'
import {
  COMMIT_EVERY_MS,
  DURABLE_COMMIT_MS,
  LineageWriter,
  findSegmentOf,
  readSpec,
} from '../../gcs/lineage.ts'
import { isGone } from '../../gcs/nodes.ts'
import { readAdoption } from '../../gcs/owners.ts'
import type { Storage } from '../../gcs/storage.ts'
import type {
  LineagePlace,
  RayletCalls,
  RayletNotices,
  SpecBatch,
} from '../../protocol/messages.ts'
import { nodeAddressOf } from '../../protocol/node-identity.ts'
import { AdoptionRows } from './adoption-rows.ts'
import type { ClusterMember } from './cluster-member.ts'
import type { Holders } from './holder-search.ts'
import { GcsRepeat } from '../gcs-repeat.ts'
import type { JobStore } from '../job-store.ts'
import type { ClusterPlaces } from './cluster-places.ts'
import type { PeerMessage, PeerRayletCalls } from './peer-raylet-messages.ts'
import type { SilentWaits } from './silent-waits.ts'
import type { RayletState } from '../state.ts'

const ASK_LIMIT_MS = 2_000
/** Doubled each time while nobody can tell. */
const LOOK_EVERY_MS = 500
const LOOK_EVERY_MS_MAX = 4_000
/** A process that has ended may live for its raylet a moment longer than its connections. */
const LIVES_AFTER_MS = 2_000
/** Adopters that are found gone, one after the other, before one asks in vain. */
const ADOPTERS_MAX = 16

export interface ClusterLineageDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
  readonly state: RayletState
  readonly member: Pick<ClusterMember, 'ask' | 'nodes'>
  readonly holdersOf: (objectId: ObjectId) => Promise<Pick<Holders, 'holders'>>
  readonly objects: Pick<JobStore, 'store'>
  readonly places: Pick<ClusterPlaces, 'find' | 'keep'>
  readonly silent: SilentWaits
}

type LineageCalls = Pick<
  RayletCalls,
  'commitSpecs' | 'readSpec' | 'adoptOwner' | 'findObject' | 'keepObject'
>

interface Look {
  readonly askers: Set<WorkerId>
  /** For which it is wanted, as many as are asked for. */
  readonly objectIds: Set<ObjectId>
  readonly isGone: Promise<boolean>
}

export class ClusterLineage {
  readonly #deps: ClusterLineageDeps
  readonly #writer: LineageWriter
  readonly #repeat: GcsRepeat
  readonly #adoptions: AdoptionRows
  /** Those who have had specs written, with their jobs. */
  readonly #owners = new Map<string, JobId>()
  /** By the process that they wait for news of. */
  readonly #looks = new Map<string, Look>()
  #stopped = false

  constructor(deps: ClusterLineageDeps) {
    this.#deps = deps
    this.#repeat = new GcsRepeat(deps)
    const { config, clients } = deps.state
    const self = { nodeId: toHex(config.nodeId), epoch: config.epoch }
    this.#writer = new LineageWriter(deps, self)
    const isHere = (adopter: string): boolean => clients.has(fromHex(adopter) as WorkerId)
    this.#adoptions = new AdoptionRows({ ...deps, self, isHere })
  }

  /** A process of this node asks. */
  asked(client: WorkerId, type: keyof LineageCalls, message: object): Promise<unknown> {
    switch (type) {
      case 'commitSpecs':
        return this.#commit(client, message as SpecBatch)
      case 'readSpec':
        return this.#read(client, message as LineagePlace)
      case 'adoptOwner':
        return this.#adopt(client, message as LineageCalls['adoptOwner'][0])
      case 'findObject':
        return this.#find(client, message as LineageCalls['findObject'][0])
      case 'keepObject':
        return this.#deps.places.keep((message as LineageCalls['keepObject'][0]).objectId)
    }
  }

  dropped(client: WorkerId, { sequences }: RayletNotices['dropSpecs']): void {
    for (const sequence of sequences) this.#writer.drop(toHex(client), sequence)
  }

  /** Another node asks. */
  requested({ type, message }: PeerMessage): boolean | number | undefined {
    if (type === 'isAlive') {
      return this.#livesHere((message as PeerRayletCalls['isAlive'][0]).address)
    }
    const { owner, sequence } = message as PeerRayletCalls['findSegment'][0]
    return this.#writer.placeOf(owner, sequence)?.segment
  }

  /** A process of this node is gone. */
  clientLeft(client: WorkerId): void {
    this.#adoptions.clientLeft(toHex(client))
  }

  /** AL3. */
  jobForgotten(jobId: JobId): void {
    for (const [owner, job] of this.#owners) {
      if (job !== jobId) continue
      this.#owners.delete(owner)
      this.#writer.forgetOwner(owner)
    }
  }

  stop(): void {
    this.#stopped = true
    this.#writer.stop()
    this.#adoptions.stop()
    this.#repeat.close()
  }

  /**
   * AL4: only the GCS is asked again, not the nodes that were asked before it.
   * @param objectIds  for which that is, where that is known.
   */
  #fromGcs<T>(
    client: WorkerId,
    run: () => Promise<T>,
    objectIds: readonly ObjectId[] = [],
  ): Promise<T> {
    const { silent, state } = this.#deps
    const ask = (): Promise<T> => silent.ofGcs(objectIds, run)
    return this.#repeat.pastOutages(ask, () => state.clients.has(client), { for: toHex(client) })
  }

  async #commit(client: WorkerId, batch: SpecBatch): Promise<LineageCalls['commitSpecs'][1]> {
    const { sequences, sizes, specs, urgent } = batch
    const owner = toHex(client)
    const jobId = this.#deps.state.clients.get(client)?.jobId
    if (jobId !== undefined) this.#owners.set(owner, jobId)
    await this.#writer.room()
    let at = 0
    const settled = sequences.map((sequence, i) => {
      const end = at + (sizes[i] ?? 0)
      const spec = { owner, sequence, bytes: specs.slice(at, end) }
      at = end
      this.#writer.add(spec, urgent ? DURABLE_COMMIT_MS : COMMIT_EVERY_MS)
      return this.#writer.settled(owner, sequence)
    })
    const places = await Promise.all(settled)
    return { segments: places.map((place) => place?.segment ?? null) }
  }

  /** Its segment, as the ref says; else as the raylet that wrote it says; else by looking through
   *  the segments of a raylet that is gone. */
  async #read(client: WorkerId, place: LineagePlace): Promise<Uint8Array | undefined> {
    const { storage } = this.#deps
    const { nodeId, owner, sequence } = place
    const segment =
      place.segment ??
      (await this.#ask(
        nodeId,
        'findSegment',
        { owner, sequence },
        () => this.#writer.placeOf(owner, sequence)?.segment,
      )) ??
      (await this.#fromGcs(client, () => findSegmentOf(storage, place)))
    if (segment === undefined) return undefined
    return this.#fromGcs(client, () => readSpec(storage, { ...place, segment }, place))
  }

  async #find(
    client: WorkerId,
    { objectId }: LineageCalls['findObject'][0],
  ): Promise<LineageCalls['findObject'][1]> {
    const held = await this.#held(objectId)
    if (held !== undefined) return held
    let reads = 0
    const read = (): ReturnType<ClusterPlaces['find']> => {
      reads += 1
      return this.#deps.places.find(objectId)
    }
    const kept = await this.#fromGcs(client, read, [objectId])
    if (kept !== undefined) return { sizeBytes: kept.sizeBytes, nodeId: kept.nodeId }
    if (reads === 1) return undefined
    return this.#held(objectId) // what kept the GCS away may have kept nodes silent
  }

  /** Here, or on another node. */
  async #held(objectId: ObjectId): Promise<LineageCalls['findObject'][1]> {
    const { objects, holdersOf } = this.#deps
    const here = objects.store.sizeOf(objectId)
    if (here !== undefined) return { sizeBytes: here }
    const [holder] = (await holdersOf(objectId)).holders
    return holder && { sizeBytes: holder.sizeBytes, nodeId: holder.nodeId }
  }

  async #adopt(
    client: WorkerId,
    { objectId, owner, address, leaves = false }: LineageCalls['adoptOwner'][0],
  ): Promise<LineageCalls['adoptOwner'][1]> {
    const { storage, state, log } = this.#deps
    const self = state.clients.get(client)
    if (self === undefined) throw new VirgaError('who wants to adopt has left')
    const by = { adopter: toHex(client), address: self.address }
    let row = await this.#fromGcs(client, () => readAdoption(storage, owner), [objectId])
    for (let tries = 0; tries < ADOPTERS_MAX; tries += 1) {
      if (row?.adopter === by.adopter) return row
      const at = row?.address ?? address
      const isGivenUp = leaves && row === undefined
      const isGone =
        isGivenUp || (await this.#whetherGone({ client, objectId }, at, row !== undefined))
      if (!isGone) return row ?? { address } // AL2
      const gone = row
      row = await this.#fromGcs(client, () => this.#adoptions.adopt(owner, by, gone), [objectId])
      log.info('an owner was adopted', { owner, by: row.adopter, epoch: row.epoch })
    }
    throw new VirgaError(`${String(ADOPTERS_MAX)} adopters of ${owner} have ended one by one`)
  }

  /** AL1. All who wait for news of one process look together, until none of them is left. */
  #whetherGone(
    { client, objectId }: { readonly client: WorkerId; readonly objectId: ObjectId },
    address: string,
    isAdopter: boolean,
  ): Promise<boolean> {
    const key = `${address} ${String(isAdopter)}`
    const known = this.#looks.get(key)
    const { askers, objectIds } = known ?? { askers: new Set(), objectIds: new Set() }
    askers.add(client)
    objectIds.add(objectId)
    if (known !== undefined) return known.isGone
    const isGone = this.#lookFor(address, isAdopter, { askers, objectIds }).finally(() => {
      this.#looks.delete(key)
      this.#deps.silent.answered('owner', objectIds)
    })
    this.#looks.set(key, { askers, objectIds, isGone })
    return isGone
  }

  /** An adopter that lives is asked at once; an owner after a while, as its connection broke. */
  async #lookFor(
    address: string,
    isAdopter: boolean,
    { askers, objectIds }: Omit<Look, 'isGone'>,
  ): Promise<boolean> {
    const { clock, state, silent } = this.#deps
    const livesFromMs = clock.monotonicMs() + (isAdopter ? 0 : LIVES_AFTER_MS)
    const nodeIds = [nodeOf(address)?.nodeId ?? toHex(state.config.nodeId)]
    const isWanted = (): boolean => [...askers].some((client) => state.clients.has(client))
    for (let pauseMs = LOOK_EVERY_MS; !this.#stopped && isWanted();) {
      const askedAtMs = clock.monotonicMs()
      const lives = await this.#lives(address)
      if (lives === false) return true
      if (lives === true && clock.monotonicMs() >= livesFromMs) return false
      const isSilent = lives === undefined
      if (isSilent) silent.unanswered({ who: 'owner', nodeIds }, objectIds, askedAtMs)
      await delay(clock, pauseMs)
      if (isSilent) pauseMs = Math.min(2 * pauseMs, LOOK_EVERY_MS_MAX)
    }
    throw new NodeDiedError('who asked has left, or this node is ending')
  }

  /** undefined: nobody can tell now. */
  async #lives(address: string): Promise<boolean | undefined> {
    const node = nodeOf(address)
    if (node === undefined) return this.#livesHere(address)
    if (await this.#isNodeGone(node)) return false
    return this.#ask(node.nodeId, 'isAlive', { address }, () => this.#livesHere(address))
  }

  /** A node that this one does not see, as either has just joined, is looked up: taken for dead, it
   *  would be adopted while it lives. */
  async #isNodeGone(node: { nodeId: string; epoch: number }): Promise<boolean> {
    const { member, state, storage, log } = this.#deps
    const { nodeId, epoch } = node
    if (nodeId === toHex(state.config.nodeId)) return epoch !== state.config.epoch
    const row = member.nodes().find((each) => each.nodeId === nodeId)
    if (row !== undefined) return row.epoch > epoch || row.state === 'DEAD'
    try {
      return await isGone(storage, node)
    } catch (error) {
      if (!isOutage(error)) throw error
      log.info('a node cannot be looked up', { nodeId, error: String(error) })
      return false // it is asked, and waited for
    }
  }

  #livesHere(address: string): boolean {
    const { clients, workers } = this.#deps.state
    for (const client of clients.values()) {
      if (client.link === undefined && client.address === address) return true
    }
    for (const worker of workers.values()) if (worker.address === address) return true
    return false
  }

  /** This node answers itself. @returns undefined when the other does not answer. */
  async #ask<K extends 'isAlive' | 'findSegment'>(
    nodeId: string,
    type: K,
    message: PeerRayletCalls[K][0],
    here: () => PeerRayletCalls[K][1],
  ): Promise<PeerRayletCalls[K][1] | undefined> {
    const { member, state, log } = this.#deps
    if (nodeId === toHex(state.config.nodeId)) return here()
    try {
      return await member.ask(nodeId, type, message, ASK_LIMIT_MS)
    } catch (error) {
      log.info('a node cannot say what became of a process', { nodeId, error: String(error) })
      return undefined
    }
  }
}

/** The node in an address of a process; undefined: one of this node. */
function nodeOf(address: string): { nodeId: string; epoch: number } | undefined {
  const at = address.startsWith('/') ? -1 : address.indexOf('@')
  return at <= 0 ? undefined : nodeAddressOf(address.slice(0, at))
}
