// What happens to rows in the GCS, seen where they are written, and judged.
//   nodes      a dead epoch never lives again, an epoch has one holder, and nobody is declared dead
//              who must not be
//   names      none is taken that another actor has (AC2)
//   actors     each next life is taken once (AH1), or given on by a node that drains (AH8)
//   groups     where bundles lie is written before they are committed there (GR1)
//   adoptions  an owner has one adopter in each epoch (AO1)
//   lineage    what makes an object again: a durable job is told of it later (DJ2)
import type { GroupRow } from '../../../runtime/gcs/groups.ts'
import { hasSpec, type SegmentIndex } from '../../../runtime/gcs/lineage-segment.ts'
import type {
  Row,
  RowKey,
  RowValue,
  Storage,
  TransactItem,
  WriteOutcome,
} from '../../../runtime/gcs/storage.ts'
import { changedStorage } from '../../support/changed-storage.ts'
import type { Probes } from '../probes.ts'
import type { Scheduler } from '../scheduler.ts'
import type { SimMember } from './member.ts'

export interface SeenRow {
  readonly epoch: number
  readonly state: string
  readonly heartbeat: number
  readonly token: unknown
}

export interface PlacedBundle {
  readonly index: number
  readonly nodeId: string
  readonly attempt: number
}

const placeText = (groupId: string, { index, nodeId, attempt }: PlacedBundle): string =>
  `${groupId} ${String(index)} ${nodeId} ${String(attempt)}`

interface TakenLife {
  readonly life: number
  readonly by: SimMember | undefined
}

interface WitnessParts {
  readonly scheduler: Scheduler
  readonly probes: Probes
  readonly memberOf: (nodeId: string, epoch: number) => SimMember | undefined
}

export class Witness {
  /** The storage, watched. */
  readonly storage: Storage
  readonly rows = new Map<string, SeenRow>()
  readonly #parts: WitnessParts
  /** By namespace and name, the actor that has it. */
  readonly #names = new Map<string, string>()
  /** By actor, the newest life that was taken, and by whom. */
  readonly #lives = new Map<string, TakenLife>()
  /** By actor, the node on which it lived last. */
  readonly #homes = new Map<string, unknown>()
  /** Of every group, where its bundles were ever to lie. */
  readonly #places = new Set<string>()
  /** By group and index, the newest attempt that found a place. */
  readonly #attempts = new Map<string, number>()
  /** By owner. */
  readonly #adoptions = new Map<string, RowValue>()
  /** By owner, the indexes of segments with specs of it. */
  readonly #specs = new Map<string, SegmentIndex[]>()

  constructor(inner: Storage, parts: WitnessParts) {
    this.#parts = parts
    const watched = async (written: Promise<WriteOutcome>): Promise<WriteOutcome> => {
      const outcome = await written
      if (outcome.won) this.#saw(outcome.row)
      return outcome
    }
    this.storage = changedStorage(inner, {
      putIf: (...args) => watched(inner.putIf(...args)),
      update: (...args) => watched(inner.update(...args)),
      append: async (rows) => {
        await inner.append(rows)
        for (const { key, value } of rows) if (key.table === 'lineage') this.#sawSegment(value)
      },
      delete: async (key, expected) => {
        const outcome = await inner.delete(key, expected)
        const isGone = outcome.won || outcome.current === undefined
        // AO3: its adopter has ended, and who adopts next begins anew.
        if (isGone && key.pk.startsWith('O#')) this.#adoptions.delete(key.pk)
        return outcome
      },
      transact: async (items) => {
        const isDone = await inner.transact(items)
        if (isDone) for (const item of items) this.#sawName(item)
        return isDone
      },
    })
  }

  /** Whether that epoch of the node has ended. */
  isOver({ nodeId, epoch }: Pick<SimMember, 'nodeId' | 'epoch'>): boolean {
    const row = this.rows.get(nodeId)
    if (row === undefined) return false
    return row.epoch > epoch || (row.epoch === epoch && row.state === 'DEAD')
  }

  /** Whether it was written that they are to lie there. */
  hasPlaced(groupId: string, bundle: PlacedBundle): boolean {
    return this.#places.has(placeText(groupId, bundle))
  }

  /** Whether it was written how that submission of an owner is run again. */
  hasSpec(owner: string, sequence: number): boolean {
    const index = this.#specs.get(owner) ?? []
    return hasSpec({ index, packed: NOTHING }, owner, sequence)
  }

  #sawSegment({ index }: RowValue): void {
    for (const each of index as readonly SegmentIndex[]) {
      const known = this.#specs.get(each.owner)
      if (known === undefined) this.#specs.set(each.owner, [each])
      else known.push(each)
    }
  }

  #saw({ key, value }: Row): void {
    if (key.sk.startsWith('A#')) this.#sawLife(key, value)
    if (key.sk.startsWith('P#')) this.#sawPlaces(value as unknown as GroupRow)
    if (key.pk.startsWith('O#')) this.#sawAdoption(key, value)
    if (!key.pk.startsWith('N#')) return
    const nodeId = key.sk
    const before = this.rows.get(nodeId)
    const now: SeenRow = {
      epoch: Number(value['epoch']),
      state: String(value['state']),
      heartbeat: Number(value['heartbeat']),
      token: value['token'],
    }
    this.rows.set(nodeId, now)
    if (before !== undefined) this.#judge(nodeId, before, now)
    if (now.state !== 'DEAD' || before?.state === 'DEAD') return
    this.#judgeDeath(nodeId, now.epoch, String(value['death']))
  }

  #sawName(item: TransactItem): void {
    const { key } = item
    if (!key.pk.startsWith('NAME#')) return
    const name = `${key.pk} ${key.sk}`
    if (item.kind === 'delete') this.#names.delete(name)
    if (item.kind !== 'putIf') return
    const actorId = String(item.value['actorId'])
    const before = this.#names.get(name)
    this.#names.set(name, actorId)
    if (before === undefined || before === actorId) return
    this.#parts.scheduler.fail(`AC2: ${actorId} takes ${name} from ${before}`)
  }

  #sawLife({ sk }: RowKey, value: RowValue): void {
    if (value['state'] === 'ALIVE') this.#sawHome(sk, value['nodeId'])
    if (value['state'] !== 'RESTARTING') return
    const { memberOf, scheduler } = this.#parts
    const life = Number(value['incarnation'])
    const by = memberOf(String(value['nodeId']), Number(value['epoch']))
    const newest = this.#lives.get(sk) ?? { life: 0, by: undefined }
    const isGivenOn = life === newest.life && newest.by?.drained === true && newest.by !== by
    if (life <= newest.life && !isGivenOn) {
      scheduler.fail(`AH1: life ${String(life)} of ${sk} is taken twice`)
    }
    this.#lives.set(sk, { life, by })
  }

  #sawHome(actor: string, nodeId: unknown): void {
    const before = this.#homes.get(actor)
    if (before !== undefined && before !== nodeId) {
      this.#parts.probes.hit('an actor was started again on another node')
    }
    this.#homes.set(actor, nodeId)
  }

  #sawPlaces({ groupId, places }: GroupRow): void {
    for (const [index, place] of places.entries()) {
      if (place === null) continue
      this.#places.add(placeText(groupId, { index, ...place }))
      const bundle = `${groupId} ${String(index)}`
      const before = this.#attempts.get(bundle) ?? place.attempt
      if (place.attempt > before) this.#parts.probes.hit('a bundle was placed again')
      this.#attempts.set(bundle, place.attempt)
    }
  }

  #sawAdoption({ pk }: RowKey, now: RowValue): void {
    const before = this.#adoptions.get(pk)
    this.#adoptions.set(pk, now)
    this.#parts.probes.hit('an owner was adopted')
    if (before === undefined || before['adopter'] === now['adopter']) return
    if (Number(now['epoch']) > Number(before['epoch'])) return
    this.#parts.scheduler.fail(`AO1: ${pk} has two adopters in epoch ${String(now['epoch'])}`)
  }

  #judge(nodeId: string, before: SeenRow, now: SeenRow): void {
    const who = `node ${nodeId} in epoch ${String(now.epoch)}`
    const fail = (what: string): void => {
      this.#parts.scheduler.fail(what)
    }
    if (now.epoch < before.epoch) fail(`ND2: ${who} comes after epoch ${String(before.epoch)}`)
    if (now.epoch !== before.epoch) return
    if (before.state === 'DEAD' && now.state !== 'DEAD') fail(`ND2: ${who} was dead and lives`)
    if (now.token !== before.token) fail(`ND1: ${who} has two holders`)
    // One that was in doubt may be executed after the next (D177).
    if (now.heartbeat < before.heartbeat - 1)
      fail(`ND1: a heartbeat of another epoch reached ${who}`)
  }

  #judgeDeath(nodeId: string, epoch: number, death: string): void {
    const { scheduler, memberOf } = this.#parts
    const member = memberOf(nodeId, epoch)
    if (member === undefined) return
    const who = `${member.machine} is declared dead (${death})`
    if (member.isLeaving) return // it says so itself, or nobody needs it
    if (!member.mayBeDeclaredDead(scheduler.nowMs)) scheduler.fail(`GL2, WA1: ${who} for nothing`)
    const untilMs = member.node?.raylet.state.leaseUntilMs ?? -Infinity
    if (member.process.alive && member.process.clock.monotonicMs() < untilMs) {
      scheduler.fail(`GL1: ${who} within its lease`)
    }
  }
}

const NOTHING = new Uint8Array(0)
