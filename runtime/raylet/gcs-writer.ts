// What the raylet writes into the GCS and reads from it: names of actors, the drivers
// that attached to it, its own node row.
// Invariants:
//   GW1. Each write comes after the one before, so that names are freed and taken in the order
//        the brain decided.
//   GW2. An outage of the GCS, of any length, delays what is written and answered; it loses
//        nothing.
//   GW3. What the GCS refuses for good is told to who waits for it.
import { delay, type Clock } from '../common/clock.ts'
import { fromHex, toHex, type ActorId } from '../common/ids.ts'
import { VirgaError } from '../common/errors.ts'
import type { Log } from '../common/log.ts'
import { isOutage } from '../gcs/attempts.ts'
import { claimName, findName, releaseName, type NameRow } from '../gcs/names.ts'
import { isGone } from '../gcs/nodes.ts'
import type { Storage } from '../gcs/storage.ts'
import { driverKey, nodeKey } from '../gcs/tables.ts'
import type { JobSpec } from '../protocol/messages.ts'
import type { Stimulus } from './client-link.ts'
import type { NodeConfig } from './state.ts'
import type { FoundHolder, NameHolder, RayletEffect } from './turn.ts'

/** The storage has repeated it for a while by itself before. */
const REPEAT_MS = 500

export interface GcsWriterDeps {
  readonly storage: Storage
  readonly clock: Clock
  readonly log: Log
  /** Of this node, in hex. */
  readonly nodeId: string
}

type NameEffect = Extract<RayletEffect, { kind: 'claimName' | 'releaseName' | 'findName' }>

export class GcsWriter {
  readonly #deps: GcsWriterDeps
  readonly #tell: (stimulus: Stimulus) => void
  #last: Promise<void> = Promise.resolve()
  #closed = false

  /** @param tell  takes what came of an effect back to the brain. */
  constructor(deps: GcsWriterDeps, tell: (stimulus: Stimulus) => void) {
    this.#deps = deps
    this.#tell = tell
  }

  /** Nothing is repeated any more. */
  close(): void {
    this.#closed = true
  }

  perform(effect: NameEffect): void {
    const { storage } = this.#deps
    const { name, namespace } = effect
    switch (effect.kind) {
      case 'claimName': {
        const { actorId } = effect.holder
        const row = this.#rowOf(effect.holder)
        const claim = async (): Promise<void> => {
          const holder = await this.#found(await claimName(storage, { name, namespace }, row))
          this.#tell({ kind: 'nameClaimed', actorId, holder })
        }
        this.#inOrder(claim, (error) => {
          this.#tell({ kind: 'claimRefused', actorId, error })
        })
        return
      }
      case 'releaseName':
        this.#inOrder(() => releaseName(storage, { name, namespace }, toHex(effect.actorId)))
        return
      case 'findName': {
        const { request } = effect
        const find = async (): Promise<void> => {
          const holder = await this.#found(await findName(storage, { name, namespace }))
          this.#tell({ kind: 'nameFound', request, name, namespace, holder })
        }
        this.#inOrder(find, (error) => {
          this.#tell({ kind: 'findRefused', request, error })
        })
        return
      }
    }
  }

  driver({ name, namespace, jobId }: JobSpec, state: 'RUNNING' | 'FINISHED'): void {
    const value = { name, namespace, state, atMs: this.#deps.clock.nowMs() }
    this.#inOrder(() => this.#deps.storage.append([{ key: driverKey(toHex(jobId)), value }]))
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

  /** The brain's time becomes that of the calendar. */
  #rowOf({ actorId, sinceMs, ...where }: NameHolder): NameRow {
    const { clock } = this.#deps
    const since = clock.nowMs() - (clock.monotonicMs() - sinceMs)
    return { ...where, actorId: toHex(actorId), sinceMs: Math.round(since) }
  }

  async #found(row: NameRow | undefined): Promise<FoundHolder | undefined> {
    if (row === undefined) return undefined
    const isHere = row.nodeId === this.#deps.nodeId
    const isNodeGone = !isHere && (await isGone(this.#deps.storage, row))
    return { ...row, actorId: fromHex(row.actorId) as ActorId, isNodeGone }
  }

  #inOrder(run: () => Promise<void>, refused?: (error: VirgaError) => void): void {
    this.#last = this.#last.then(() => this.#untilDone(run, refused))
  }

  /** GW2, GW3. All that is written here may be written again. */
  async #untilDone(run: () => Promise<void>, refused?: (error: VirgaError) => void): Promise<void> {
    for (let repeats = 0; !this.#closed; repeats += 1) {
      try {
        await run()
        return
      } catch (error) {
        if (!(error instanceof VirgaError)) throw error // a bug: the process ends
        const fields = { error: String(error) }
        if (!isOutage(error)) {
          this.#deps.log.error('the GCS refuses what is written or asked', fields)
          refused?.(error)
          return
        }
        if (repeats === 0) this.#deps.log.warn('the GCS is away: what it decides waits', fields)
      }
      await delay(this.#deps.clock, REPEAT_MS)
    }
  }
}
