// The two phases of a placement group, on a network that loses connections and delivers what was
// left on an old one after what came on a new one, with nodes that die and coordinators that do.
import { describe, expect, test } from 'vitest'
import { ResourceLedger } from '../../../runtime/common/resource-ledger.ts'
import type { JobId } from '../../../runtime/common/ids.ts'
import type { GroupSpec } from '../../../runtime/protocol/messages.ts'
import * as holding from '../../../runtime/raylet/groups/bundle-holds.ts'
import * as reserving from '../../../runtime/raylet/groups/group-reservation.ts'
import type { ReservationAction } from '../../../runtime/raylet/groups/group-reservation.ts'
import { seeded } from '../../support/seeded.ts'
import { units } from './brain.ts'

const CPUS = 3

const aSpec = (groupId: string, count: number): GroupSpec => ({
  ...{ groupId, jobId: 'job1' as JobId, name: groupId, detached: false, strategy: 'PACK' },
  bundles: Array.from({ length: count }, () => units({ CPU: 1 })),
})

type Request = Extract<ReservationAction, { kind: 'prepare' | 'commit' | 'giveBack' }>

interface Message {
  readonly spec: GroupSpec
  readonly request: Request
}

interface Link {
  readonly id: number
  readonly nodeId: string
  /** In order; what is asked at one end and not read at the other yet. */
  readonly queue: Message[]
  /** The coordinator has seen that it is cut: it asks on another one. */
  cut: boolean
}

/** Nodes, of which the coordinator is none, so that each is told by messages. */
class World {
  readonly holders = new Map<string, holding.Holds>()
  readonly groups = new Map<string, reserving.Reservation>()
  /** What must be asked until it is answered: commits, and what is given back. */
  readonly owed: Message[] = []
  readonly answers: (() => void)[] = []
  links: Link[] = []
  nowMs = 0
  #links = 0
  readonly #draw: () => number

  constructor(seed: number, nodes: number) {
    this.#draw = seeded(seed)
    for (let node = 0; node < nodes; node += 1) this.join(`n${String(node)}`)
  }

  draw(below: number): number {
    return Math.floor(this.#draw() * below)
  }

  one<T>(of: readonly T[]): T | undefined {
    return of[this.draw(of.length)]
  }

  join(nodeId: string): void {
    this.holders.set(nodeId, holding.createHolds(new ResourceLedger(units({ CPU: CPUS }))))
  }

  create(groupId: string, count: number): void {
    this.groups.set(groupId, reserving.createReservation(groupId, count))
  }

  /** Tries a group that waits, wherever it happens to be: nodes may refuse. */
  begin(group: reserving.Reservation): void {
    if (group.phase !== 'WAITING' || this.holders.size === 0) return
    const nodes = [...this.holders.keys()]
    const places = reserving
      .missingOf(group)
      .map((index) => [index, this.one(nodes) ?? ''] as const)
    this.perform(group, reserving.begin(group, new Map(places)))
  }

  perform(group: reserving.Reservation, actions: readonly ReservationAction[]): void {
    const spec = aSpec(group.groupId, group.parts.length)
    for (const action of actions) {
      if (action.kind === 'decide') {
        this.answers.push(() => {
          this.perform(group, reserving.decided(group, action.attempt))
        })
      } else if (action.kind === 'prepare' || action.kind === 'commit') {
        this.send({ spec, request: action })
        if (action.kind === 'commit') this.owed.push({ spec, request: action })
      } else if (action.kind === 'giveBack') {
        this.send({ spec, request: action })
        this.owed.push({ spec, request: action })
      }
    }
  }

  send(message: Message): void {
    const { nodeId } = message.request
    if (!this.holders.has(nodeId)) return
    let link = this.links.find((each) => each.nodeId === nodeId && !each.cut)
    if (link === undefined) {
      link = { id: ++this.#links, nodeId, queue: [], cut: false }
      this.links.push(link)
    }
    link.queue.push(message)
  }

  /** The other end reads one message. */
  read(link: Link): void {
    const message = link.queue.shift()
    const holds = this.holders.get(link.nodeId)
    if (message === undefined || holds === undefined) return
    const { spec, request } = message
    const group = this.groups.get(spec.groupId)
    if (group === undefined) return
    const { nodeId, attempt } = request
    const reply = (run: () => ReservationAction[]): void => {
      if (link.cut) return
      const times = 1 + Number(this.draw(8) === 0) // some answers come twice
      for (let time = 0; time < times; time += 1) {
        this.answers.push(() => {
          this.perform(group, run())
        })
      }
    }
    if (request.kind === 'prepare') {
      const { indices } = request
      const asked = { spec, attempt: request.attempt, indices, link: link.id, nowMs: this.nowMs }
      const { prepared } = holding.prepare(holds, asked)
      reply(() => reserving.prepareAnswered(group, { nodeId, attempt: request.attempt, prepared }))
    } else if (request.kind === 'commit') {
      const { groupId } = spec
      const committed = holding.commit(holds, { groupId, attempt: request.attempt }) !== undefined
      reply(() => {
        this.settled(message)
        return reserving.commitAnswered(group, { nodeId, attempt: request.attempt, committed })
      })
    } else {
      holding.giveBack(holds, { groupId: spec.groupId, attempt })
      reply(() => {
        this.settled(message)
        return []
      })
    }
  }

  settled({ request }: Message): void {
    const at = this.owed.findIndex((each) => each.request === request)
    if (at >= 0) this.owed.splice(at, 1)
  }

  /** The coordinator sees it first; what is on its way may still arrive. */
  cut(link: Link): void {
    link.cut = true
    for (const { spec, request } of link.queue) {
      const group = this.groups.get(spec.groupId)
      if (request.kind !== 'prepare' || group === undefined) continue
      const { nodeId, attempt } = request
      this.perform(group, reserving.prepareAnswered(group, { nodeId, attempt, prepared: false }))
    }
    // A prepare that was read, and whose answer is lost with the connection.
    for (const group of this.groups.values()) {
      if (group.phase !== 'PREPARING') continue
      if (!group.parts.some((part) => part.nodeId === link.nodeId && part.state === 'ASKED'))
        continue
      const answer = { nodeId: link.nodeId, attempt: group.attempt, prepared: false }
      this.perform(group, reserving.prepareAnswered(group, answer))
    }
  }

  /** The other end sees it too: nothing more comes. */
  close(link: Link): void {
    this.links = this.links.filter((each) => each !== link)
    const holds = this.holders.get(link.nodeId)
    if (holds !== undefined) holding.linkClosed(holds, link.id)
  }

  die(nodeId: string): void {
    this.holders.delete(nodeId)
    this.links = this.links.filter((link) => link.nodeId !== nodeId)
    for (const message of this.owed.filter(({ request }) => request.nodeId === nodeId)) {
      this.settled(message)
    }
    for (const group of this.groups.values()) {
      this.perform(group, reserving.nodeGone(group, nodeId))
    }
  }

  remove(group: reserving.Reservation): void {
    this.perform(group, reserving.remove(group))
  }

  /** Another node goes on with what the row says; the old one's connections close in their time. */
  takeOver(group: reserving.Reservation): void {
    const { groupId, attempt, phase } = group
    if (phase !== 'COMMITTING' && phase !== 'WHOLE') return
    for (const link of this.links) if (!link.cut) this.cut(link)
    const rows = group.parts.map((part) => (part.state === 'NONE' ? undefined : part))
    const taken = reserving.takeOver(groupId, attempt, rows)
    for (const message of this.owed.filter(({ spec }) => spec.groupId === groupId)) {
      this.settled(message)
    }
    this.groups.set(groupId, taken.reservation)
    this.perform(taken.reservation, taken.actions)
  }

  /** Something happens: often messages are read and answered, rarely something fails. */
  step(): void {
    const [oldest] = this.holders.keys()
    const happenings: [weight: number, happen: () => void][] = [
      [
        130,
        () => {
          ifAny(this.one(this.links), (each) => {
            this.read(each)
          })
        },
      ],
      [
        20,
        () => {
          this.answers.splice(this.draw(this.answers.length), 1)[0]?.()
        },
      ],
      [
        40,
        () => {
          ifAny(this.#anyGroup(), (each) => {
            this.begin(each)
          })
        },
      ],
      // Repeated before it was answered.
      [
        20,
        () => {
          ifAny(this.one(this.owed), (each) => {
            this.send(each)
          })
        },
      ],
      [
        5,
        () => {
          ifAny(this.one(this.links), (each) => {
            this.cut(each)
          })
        },
      ],
      [
        20,
        () => {
          ifAny(
            this.links.find((each) => each.cut),
            (each) => {
              this.close(each)
            },
          )
        },
      ],
      [
        2,
        () => {
          ifAny(this.#anyGroup(), (each) => {
            this.remove(each)
          })
        },
      ],
      [
        2,
        () => {
          ifAny(this.#anyGroup(), (each) => {
            this.takeOver(each)
          })
        },
      ],
      [
        this.holders.size > 2 ? 1 : 0,
        () => {
          ifAny(oldest, (each) => {
            this.die(each)
          })
        },
      ],
    ]
    let draw = this.draw(happenings.reduce((sum, [weight]) => sum + weight, 0))
    const happening = happenings.find(([weight]) => (draw -= weight) < 0)
    happening?.[1]()
  }

  #anyGroup(): reserving.Reservation | undefined {
    return this.one([...this.groups.values()])
  }

  /** Nothing fails any more, and everything arrives. */
  heal(): void {
    for (let round = 0; round < 40; round += 1) {
      for (const link of this.links.filter((each) => each.cut)) {
        while (link.queue.length > 0) this.read(link)
        this.close(link)
      }
      for (const message of [...this.owed]) this.send(message)
      for (const link of this.links) while (link.queue.length > 0) this.read(link)
      for (let next = this.answers.shift(); next !== undefined; next = this.answers.shift()) next()
    }
  }

  /** What must hold after every step. */
  check(): void {
    for (const holds of this.holders.values()) holds.ledger.check()
    for (const group of this.groups.values()) {
      if (group.phase !== 'WHOLE') continue
      for (const [index, { nodeId, attempt, state }] of group.parts.entries()) {
        expect(state).toBe('COMMITTED')
        const held = this.holders.get(nodeId)?.groups.get(group.groupId)?.bundles.get(index)
        expect(held, `GR1: ${group.groupId} bundle ${String(index)}`).toMatchObject({
          ...{ attempt, phase: 'COMMITTED' },
        })
      }
    }
  }

  heldOf(groupId: string): number {
    let sum = 0
    for (const { groups } of this.holders.values()) sum += groups.get(groupId)?.bundles.size ?? 0
    return sum
  }
}

function ifAny<T>(value: T | undefined, run: (value: T) => void): void {
  if (value !== undefined) run(value)
}

function play(seed: number): void {
  const world = new World(seed, 4)
  for (let group = 0; group < 3; group += 1) world.create(`g${String(group)}`, 1 + (seed % 4))
  for (let step = 0; step < 400; step += 1) {
    world.step()
    world.check()
  }
  world.heal()
  world.check()
  for (const group of world.groups.values()) {
    const { groupId, phase, parts } = group
    const told = `seed ${String(seed)}: ${groupId} is ${phase}`
    expect(['WAITING', 'WHOLE', 'REMOVED'], told).toContain(phase)
    const kept = parts.filter(({ state }) => state !== 'NONE').length
    expect(world.heldOf(groupId), told).toBe(kept)
    if (phase === 'WHOLE') expect(kept, told).toBe(parts.length)
    if (phase === 'REMOVED') expect(kept, told).toBe(0)
  }
  for (const group of world.groups.values()) world.remove(group)
  world.heal()
  for (const { ledger } of world.holders.values()) {
    expect(ledger.allocationCount, `seed ${String(seed)}`).toBe(0)
  }
}

describe('a placement group over nodes that fail', () => {
  test.each([0, 1, 2, 3])(
    'is held whole or not at all, once, and leaves nothing (part %i)',
    (part) => {
      for (let seed = part * 100; seed < (part + 1) * 100; seed += 1) play(seed)
    },
  )

  test('what a coordinator that hangs has prepared is given back in time', () => {
    const holds = holding.createHolds(new ResourceLedger(units({ CPU: 2 })))
    const spec = aSpec('g', 2)
    holding.prepare(holds, { spec, attempt: 1, indices: [0, 1], link: 1, nowMs: 0 })
    const dueMs = holding.expire(holds, 0)
    expect(holds.ledger.allocationCount).toBe(2)
    expect(holding.expire(holds, dueMs)).toBe(Infinity)
    expect(holds.ledger.allocationCount).toBe(0)
    expect(holding.commit(holds, { groupId: 'g', attempt: 1 })).toBeUndefined()
  })

  test('an attempt is taken whole: a bundle too many leaves the others free', () => {
    const holds = holding.createHolds(new ResourceLedger(units({ CPU: 2 })))
    const asked = { attempt: 1, indices: [0, 1, 2], link: 1, nowMs: 0 }
    expect(holding.prepare(holds, { spec: aSpec('g', 3), ...asked }).prepared).toBe(false)
    expect(holds.ledger.allocationCount).toBe(0)
  })

  test('a later attempt takes a bundle over from an earlier one, and never the reverse', () => {
    const holds = holding.createHolds(new ResourceLedger(units({ CPU: 2 })))
    const spec = aSpec('g', 1)
    const asked = { spec, indices: [0], link: 1, nowMs: 0 }
    holding.prepare(holds, { ...asked, attempt: 1 })
    holding.commit(holds, { groupId: 'g', attempt: 1 })
    const { prepared, replaced } = holding.prepare(holds, { ...asked, attempt: 2 })
    expect(prepared).toBe(true)
    expect(replaced).toMatchObject([{ attempt: 1, phase: 'COMMITTED' }])
    expect(holding.prepare(holds, { ...asked, attempt: 1 }).prepared).toBe(false)
    expect(holds.ledger.allocationCount).toBe(1)
  })
})
