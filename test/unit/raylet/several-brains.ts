// Several brains that hear each other as raylets do: what one asks or says arrives at the other in
// order, when `settle` lets it; connections can be cut.
import type { WorkerId } from '../../../runtime/common/ids.ts'
import { toWire } from '../../../runtime/common/error-wire.ts'
import { WorkerCrashedError } from '../../../runtime/common/errors.ts'
import { NODE_ID_BYTES, toHex, type NodeId } from '../../../runtime/common/ids.ts'
import { UNITS_PER_ONE, type ResourceSet } from '../../../runtime/common/resources.ts'
import type { GroupRow } from '../../../runtime/gcs/groups.ts'
import type { ClassSpec, ClientNotices } from '../../../runtime/protocol/messages.ts'
import { check } from '../../../runtime/raylet/check.ts'
import { ownNodeView } from '../../../runtime/raylet/placement.ts'
import { createState, type RayletState } from '../../../runtime/raylet/state.ts'
import type { GroupRowEffect } from '../../../runtime/raylet/groups/group-rows.ts'
import type { Member } from '../../../runtime/raylet/groups/group-state.ts'
import { step } from '../../../runtime/raylet/step.ts'
import type { RayletEffect } from '../../../runtime/raylet/turn.ts'
import { ClusterView, type NodeLoad } from '../../../runtime/scheduling/cluster-view.ts'
import { seededRandom } from '../../support/seeded.ts'
import { aClass, aDriversJob, type Stimulus } from './brain.ts'

export interface TestNode {
  readonly id: string
  readonly state: RayletState
  /** Leases granted to its own clients and not ended, by number. */
  readonly held: Map<number, ClientNotices['leaseGranted']>
  readonly broken: ClientNotices['leaseBroken'][]
  readonly refused: string[]
  /** Chains of the deadlocks that its own processes were told of. */
  readonly deadlocks: (readonly string[])[]
  /** Leases that its own clients were asked for, by number. */
  readonly askedBack: number[]
  /** Its own clients that were asked to collect their garbage. */
  readonly collecting: string[]
  version: number
  cut: boolean
  /** Who asks it for leases gives up before it answers. */
  answersLate: boolean
  /** Else those that it starts never say hello. */
  startsWorkers: boolean
}

export interface NodeOptions {
  readonly resources: ResourceSet
  readonly labels?: Readonly<Record<string, string>>
}

export class SeveralBrains {
  readonly nodes: TestNode[]
  nowMs = 0
  /** How often any node was asked for leases. */
  askedCount = 0
  hopsMax = 0
  /** By request, of those that were answered: a value, or an error. */
  readonly answers = new Map<number, unknown>()
  /** Of placement groups, as the GCS has them. */
  readonly rows = new Map<string, GroupRow>()
  #request = 0
  /** What nodes ask each other of groups, by request: it may be answered later. */
  readonly #groupAnswers = new Map<number, (value: object) => void>()
  readonly #inbox: (() => void)[] = []
  readonly #suspected = new Set<number>()

  constructor(options: readonly NodeOptions[]) {
    const random = seededRandom(5)
    this.nodes = options.map(({ resources, labels = {} }, index) => {
      const nodeId = String(index).padStart(8, '0').padEnd(NODE_ID_BYTES, '-') as NodeId
      const id = toHex(nodeId)
      const cpuCount = (resources['CPU'] ?? 0) / UNITS_PER_ONE
      const config = { nodeId, epoch: 1, totals: resources, labels, cpuCount, workersMax: 100 }
      const state = createState(
        { ...config, owned: false, isGcsHost: index === 0 },
        { view: new ClusterView([], id), random, shunned: new Map() },
      )
      return {
        id,
        state,
        held: new Map(),
        broken: [],
        refused: [],
        deadlocks: [],
        askedBack: [],
        collecting: [],
        version: 0,
        ...{ cut: false, answersLate: false, startsWorkers: true },
      }
    })
    this.#tellNodes()
    this.settle()
  }

  /** A request of a process; @returns its number. */
  request(index: number, stimulus: (request: number) => Stimulus): number {
    const request = ++this.#request
    this.send(this.at(index), stimulus(request))
    this.settle()
    return request
  }

  /** Node `index`; the driver lives at the first. */
  at(index: number): TestNode {
    const node = this.nodes[index]
    if (node === undefined) throw new Error(`no node ${String(index)}`)
    return node
  }

  driver(name: string, at = 0): void {
    const client = name as WorkerId
    const job = aDriversJob(`job of ${name}`)
    const address = `@${name}`
    this.send(this.at(at), {
      kind: 'clientConnected',
      client,
      role: 'driver',
      pid: 1,
      address,
      job,
    })
    this.settle()
  }

  want(client: string, count: number, spec: Partial<ClassSpec> = {}, at = 0): void {
    this.send(this.at(at), {
      ...{ kind: 'wantLeases', client: client as WorkerId, classId: 0, count },
      spec: aClass(spec),
    })
    this.settle()
  }

  giveBack(client: string, leaseId: number, at = 0): void {
    this.at(at).held.delete(leaseId)
    const retire = false
    this.send(this.at(at), { kind: 'returnLease', client: client as WorkerId, leaseId, retire })
    this.settle()
  }

  leave(client: string, at = 0): void {
    this.send(this.at(at), { kind: 'clientClosed', client: client as WorkerId })
    this.settle()
  }

  /** The connection between the first and that node breaks; it may be dialled again. */
  breakLink(index: number): void {
    this.send(this.at(0), { kind: 'nodeLost', nodeId: this.at(index).id })
    this.send(this.at(index), { kind: 'guestLinkClosed', link: 0 })
    this.settle()
  }

  /** Nobody hears of that node any more, and then it is dead. */
  die(index: number): void {
    this.dies(index)
    this.settle()
  }

  /** The same, as all have just been told, and nothing has come of it yet. */
  dies(index: number): void {
    this.at(index).cut = true
    for (const node of this.nodes) {
      if (node.cut) continue
      this.send(node, { kind: 'nodeLost', nodeId: this.at(index).id })
      this.send(node, { kind: 'guestLinkClosed', link: index })
      this.send(node, { kind: 'groupLinkClosed', link: index })
    }
    this.#tellNodes()
  }

  /** The first hears what that node has free, as gossip brings it. */
  tellLoad(index: number): void {
    this.send(this.at(0), { kind: 'loads', loads: [this.#loadOf(this.at(index))] })
    this.settle()
  }

  /** That node gets too little time, or enough of it again, and all others hear that. */
  pace(index: number, isSlow: boolean): void {
    const node = this.at(index)
    this.send(node, { kind: 'pace', isSlow })
    const loads = [this.#loadOf(node)]
    for (const each of this.nodes) if (each !== node) this.send(each, { kind: 'loads', loads })
    this.settle()
  }

  /** That node takes nothing new; what runs there goes on. */
  drain(index: number): void {
    this.send(this.at(index), { kind: 'drain', graceMs: 60_000 })
    this.#tellNodes()
    this.settle()
  }

  /** To the others, that node seems to be gone, or answers again. */
  suspect(index: number, suspected: boolean): void {
    if (suspected) this.#suspected.add(index)
    else this.#suspected.delete(index)
    this.#tellNodes()
    this.settle()
  }

  /** What node `index` says of every class that processes of others have there. */
  refuseGuests(index: number, why: string): void {
    const { state } = this.at(index)
    const error = toWire(new WorkerCrashedError(why))
    for (const { id, link, classes } of state.clients.values()) {
      if (link === undefined) continue
      for (const { classId } of classes.values()) {
        const message = { classId, error }
        this.#perform(this.at(index), { kind: 'notify', to: id, type: 'classRefused', message })
      }
    }
    this.settle()
  }

  tick(byMs: number): void {
    this.nowMs += byMs
    for (const node of this.nodes) if (!node.cut) this.send(node, { kind: 'tick' })
    this.settle()
  }

  /** Delivers what is on its way, and what that causes. */
  settle(): void {
    for (let next = this.#inbox.shift(); next !== undefined; next = this.#inbox.shift()) next()
  }

  free(index: number): number {
    return (this.at(index).state.ledger.free['CPU'] ?? 0) / UNITS_PER_ONE
  }

  /** Whether nothing of anybody is left anywhere. */
  isIdle(): boolean {
    return this.nodes.every(({ state }) => state.leases.size === 0 && state.remoteLeases.size === 0)
  }

  send(node: TestNode, stimulus: Stimulus): void {
    const effects = step(node.state, { ...stimulus, nowMs: this.nowMs })
    check(node.state)
    for (const effect of effects) this.#perform(node, effect)
  }

  #tellNodes(): void {
    const living = this.nodes.filter(({ cut }) => !cut)
    for (const node of living) {
      const nodes = living
        .filter((each) => each !== node && !each.state.draining)
        .map(({ state }) => ownNodeView(state))
      this.send(node, { kind: 'confirmed', untilMs: Infinity })
      this.send(node, {
        kind: 'nodes',
        nodes: nodes.map((view) => ({ ...view, free: view.totals })),
        suspected: new Set([...this.#suspected].map((index) => this.at(index).id)),
        members: this.#membersFor(node),
      })
    }
  }

  #membersFor(node: TestNode): Map<string, Member> {
    const others = this.nodes.filter((each) => each !== node && !each.cut)
    return new Map(others.map(({ id, state }) => [id, { epoch: 1, isDraining: state.draining }]))
  }

  #perform(node: TestNode, effect: RayletEffect): void {
    const later = (run: () => void): void => void this.#inbox.push(run)
    switch (effect.kind) {
      case 'spawn':
        if (!node.startsWorkers) return
        later(() => {
          const { workerId } = effect.start
          const hello = { client: workerId, pid: 2, address: `@${toHex(workerId)}`, job: undefined }
          this.send(node, { kind: 'clientConnected', role: 'worker', ...hello })
        })
        return
      case 'notify':
        this.#notify(node, effect)
        return
      case 'tellNode': {
        const other = this.#find(effect.nodeId)
        later(() => {
          if (!other.cut) this.#heard(other, node, effect)
        })
        return
      }
      case 'guestLeaseLapsed': {
        const { client, classId } = effect
        const home = this.#homeOf(node, client)
        later(() => {
          this.send(home, { kind: 'leaseLapsed', nodeId: node.id, client, classId })
        })
        return
      }
      case 'hasRoomAgain':
        later(() => {
          const loads = [this.#loadOf(node)]
          for (const each of this.nodes)
            if (each !== node) this.send(each, { kind: 'loads', loads })
        })
        return
      case 'askLeases':
        later(() => {
          this.#ask(node, effect)
        })
        return
      case 'answer':
        this.#answered(effect.request, effect.value)
        return
      case 'refuse':
        this.answers.set(effect.request, effect.error)
        return
      case 'askGroup':
        later(() => {
          this.#askGroup(node, effect)
        })
        return
      case 'registerGroup':
      case 'writeGroup':
      case 'readGroup':
      case 'claimGroup':
      case 'removeGroupRow':
        later(() => {
          this.#groupRow(node, effect)
        })
        return
      default:
    }
  }

  #answered(request: number, value: unknown): void {
    const asker = this.#groupAnswers.get(request)
    this.#groupAnswers.delete(request)
    if (asker === undefined) this.answers.set(request, value)
    else asker(value as object)
  }

  #notify(node: TestNode, effect: Extract<RayletEffect, { kind: 'notify' }>): void {
    const { to: client, type, message } = effect
    if (node.state.clients.get(client)?.link !== undefined) {
      const home = this.#homeOf(node, client)
      this.#inbox.push(() => {
        if (node.cut) return
        const event = { kind: 'heardForClient', nodeId: node.id, client, type, message } as Stimulus
        this.send(home, event)
      })
      return
    }
    if (type === 'leaseGranted') node.held.set(message.leaseId, message)
    if (type === 'collectHandles') node.collecting.push(client)
    if (type === 'reclaimLease') node.askedBack.push(message.leaseId)
    if (type === 'classRefused') node.refused.push(message.error.message)
    if (type === 'deadlock') node.deadlocks.push(message.chain)
    if (type !== 'leaseBroken') return
    node.held.delete(message.leaseId)
    node.broken.push(message)
  }

  #ask(node: TestNode, { nodeId, message }: Extract<RayletEffect, { kind: 'askLeases' }>): void {
    this.askedCount += 1
    this.hopsMax = Math.max(this.hopsMax, message.hops)
    const other = this.#find(nodeId)
    if (other.cut) {
      this.send(node, { kind: 'leasesAnswered', nodeId, message, answer: undefined })
      return
    }
    const request = ++this.#request
    const stimulus = { kind: 'leasesAsked', link: this.#index(node), request, message } as const
    const effects = step(other.state, { ...stimulus, nowMs: this.nowMs })
    check(other.state)
    const answered = effects.find((each) => each.kind === 'answer' && each.request === request)
    for (const effect of effects) this.#perform(other, effect)
    const { value } = answered as { readonly value: { readonly accepted: number } }
    const load = this.#loadOf(other)
    this.#inbox.push(() => {
      const answer = other.answersLate ? undefined : { ...value, load }
      this.send(node, { kind: 'leasesAnswered', nodeId, message, answer })
    })
  }

  /** As its shell tells it. */
  #loadOf(node: TestNode): NodeLoad {
    const { isSlow, ledger } = node.state
    const load = { nodeId: node.id, epoch: 1, version: ++node.version, free: { ...ledger.free } }
    return isSlow ? { ...load, isSlow } : load
  }

  #askGroup(node: TestNode, effect: Extract<RayletEffect, { kind: 'askGroup' }>): void {
    const { key, nodeId, type, message } = effect
    const other = this.#find(nodeId)
    const answered = (answer: unknown): void => {
      const event = { kind: 'groupAnswered', key, nodeId, type, message, answer } as Stimulus
      if (!node.cut) this.send(node, event)
    }
    if (other.cut) {
      answered(undefined)
      return
    }
    const request = ++this.#request
    const link = this.#index(node)
    const hasLoad = type === 'prepareBundles' || type === 'returnBundles'
    this.#groupAnswers.set(request, (value) => {
      const load = this.#loadOf(other)
      this.#inbox.push(() => {
        answered(hasLoad ? { ...value, load } : value)
      })
    })
    this.send(other, { kind: 'groupAsked', from: node.id, link, request, type, message })
  }

  /** The GCS as the rules of gcs/groups.ts have it. */
  #groupRow(node: TestNode, effect: GroupRowEffect): void {
    if (node.cut) return
    const { rows } = this
    const { id: nodeId } = node
    const isOwn = (groupId: string): boolean => rows.get(groupId)?.nodeId === nodeId
    switch (effect.kind) {
      case 'registerGroup':
        rows.set(effect.row.groupId, effect.row)
        return
      case 'writeGroup': {
        const { groupId, decision } = effect
        const row = rows.get(groupId)
        const won = row !== undefined && isOwn(groupId)
        if (won) rows.set(groupId, { ...row, ...decision })
        this.send(node, { kind: 'groupWritten', groupId, attempt: decision.attempt, won })
        return
      }
      case 'readGroup': {
        const { groupId } = effect
        this.send(node, { kind: 'groupRead', groupId, row: rows.get(groupId) })
        return
      }
      case 'claimGroup': {
        const { groupId, term, nodeId: before } = effect.row
        const seen = rows.get(groupId)
        const won = seen?.term === term && seen.nodeId === before && this.#find(before).cut
        const row = won ? { ...seen, nodeId, epoch: 1, term: term + 1 } : undefined
        if (row !== undefined) rows.set(groupId, row)
        this.send(node, { kind: 'groupClaimed', groupId, row })
        return
      }
      case 'removeGroupRow':
        if (rows.get(effect.groupId)?.nodeId === effect.coordinator.nodeId) {
          rows.delete(effect.groupId)
        }
    }
  }

  #heard(
    node: TestNode,
    from: TestNode,
    effect: Extract<RayletEffect, { kind: 'tellNode' }>,
  ): void {
    const link = this.#index(from)
    const { type, message } = effect
    if (type === 'guestWants') this.send(node, { kind: type, link, message })
    else if (type === 'guestLeft') this.send(node, { kind: type, link, client: message.client })
    else if (type === 'toClient') {
      this.send(node, { kind: 'heardForClient', nodeId: from.id, ...message })
    } else this.send(node, { kind: type, ...message } as Stimulus)
  }

  #find(nodeId: string): TestNode {
    const found = this.nodes.find(({ id }) => id === nodeId)
    if (found === undefined) throw new Error(`no node ${nodeId}`)
    return found
  }

  #index(node: TestNode): number {
    return this.nodes.indexOf(node)
  }

  /** Links are numbered by the home. */
  #homeOf(node: TestNode, client: WorkerId): TestNode {
    return this.at(node.state.clients.get(client)?.link ?? -1)
  }
}
