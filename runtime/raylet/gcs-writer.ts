// What the raylet of a cluster of one node writes into the GCS and reads from it: names of actors,
// its own node row.
// Invariants:
//   GW1. Each write comes after the one before, so that names are freed and taken in the order
//        the brain decided.
//   GW2. An outage of the GCS, of any length, delays what is written and answered; it loses
//        nothing.
//   GW3. What the GCS refuses for good is told to who waits for it.
//   GW4. A claim that comes late, after its actor has ended, takes no name (NM1).
import type { Clock } from '../common/clock.ts'
import { fromHex, toHex, type ActorId } from '../common/ids.ts'
import type { VirgaError } from '../common/errors.ts'
import type { Log } from '../common/log.ts'
import {
  claimName,
  findName,
  releaseDoubtedName,
  releaseName,
  type ActorName,
  type NameRow,
} from '../gcs/names.ts'
import type { Storage } from '../gcs/storage.ts'
import { nodeKey } from '../gcs/tables.ts'
import type { Stimulus } from './client-link.ts'
import { GcsRepeat } from './gcs-repeat.ts'
import type { NodeConfig } from './state.ts'
import type { NameHolder, RayletEffect } from './turn.ts'

export interface GcsWriterDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
}

/** GW4: those that were claimed longest ago are safe by then. */
const DOUBTED_NAMES_MAX = 10_000

type NameEffect = Extract<RayletEffect, { kind: 'claimName' | 'releaseName' | 'findName' }>

export class GcsWriter {
  readonly #deps: GcsWriterDeps
  readonly #tell: (stimulus: Stimulus) => void
  readonly #repeat: GcsRepeat
  /** GW4: names of which a claim was in doubt, by namespace and name; the last one comes last. */
  readonly #doubted = new Set<string>()
  #last: Promise<void> = Promise.resolve()

  /** @param tell  takes what came of an effect back to the brain. */
  constructor(deps: GcsWriterDeps, tell: (stimulus: Stimulus) => void) {
    this.#deps = deps
    this.#tell = tell
    this.#repeat = new GcsRepeat(deps)
  }

  /** Nothing is repeated any more. */
  close(): void {
    this.#repeat.close()
  }

  perform(effect: NameEffect): void {
    const { storage } = this.#deps
    const { name, namespace } = effect
    switch (effect.kind) {
      case 'claimName': {
        const { actorId } = effect.holder
        const row = this.#rowOf(effect.holder)
        const claim = async (): Promise<void> => {
          const holder = found(await this.#claim({ name, namespace }, row))
          this.#tell({ kind: 'nameClaimed', actorId, holder })
        }
        this.#inOrder(claim, (error) => {
          this.#tell({ kind: 'claimRefused', actorId, error })
        })
        return
      }
      case 'releaseName':
        this.#inOrder(() => this.#release({ name, namespace }, toHex(effect.actorId)))
        return
      case 'findName': {
        const { request } = effect
        const find = async (): Promise<void> => {
          const holder = found(await findName(storage, { name, namespace }))
          this.#tell({ kind: 'nameFound', request, name, namespace, holder })
        }
        this.#inOrder(find, (error) => {
          this.#tell({ kind: 'findRefused', request, error })
        })
        return
      }
    }
  }

  node(
    config: NodeConfig,
    where: { readonly address: string; readonly pid: number },
    state: 'ALIVE' | 'DRAINING',
  ): void {
    const { epoch, totals, labels, nodeId } = config
    const value = { epoch, ...where, totals, labels, state }
    this.#inOrder(() => this.#deps.storage.append([{ key: nodeKey(toHex(nodeId)), value }]))
  }

  #claim(name: ActorName, row: NameRow): Promise<NameRow | undefined> {
    return claimName(this.#deps.storage, name, row, () => {
      this.#isDoubted(textOf(name))
    })
  }

  #isDoubted(text: string): void {
    this.#doubted.delete(text) // a name that is doubted again is not safe yet
    this.#doubted.add(text)
    const [oldest] = this.#doubted
    if (oldest !== undefined && this.#doubted.size > DOUBTED_NAMES_MAX) this.#doubted.delete(oldest)
  }

  #release(name: ActorName, actorId: string): Promise<void> {
    const { storage, clock } = this.#deps
    if (!this.#doubted.has(textOf(name))) return releaseName(storage, name, actorId)
    return releaseDoubtedName(storage, name, { actorId, nowMs: clock.nowMs() })
  }

  /** The brain's time becomes that of the calendar. */
  #rowOf({ actorId, sinceMs, ...where }: NameHolder): NameRow {
    const { clock } = this.#deps
    const since = clock.nowMs() - (clock.monotonicMs() - sinceMs)
    return { ...where, actorId: toHex(actorId), sinceMs: Math.round(since) }
  }

  #inOrder(run: () => Promise<void>, refused?: (error: VirgaError) => void): void {
    this.#last = this.#last.then(() => this.#repeat.untilDone(run, refused))
  }
}

const textOf = ({ namespace, name }: ActorName): string => JSON.stringify([namespace, name])

const found = (row: NameRow | undefined): NameHolder | undefined =>
  row && { ...row, actorId: fromHex(row.actorId) as ActorId }
