// A brain to experiment on: short names for clients, classes, workers and actors, a clock that
// moves when told, and every effect as one line of text. check() runs after every step.
import {
  fromHex,
  type ActorId,
  type JobId,
  type LeaseId,
  type NodeId,
  type TaskId,
  type WorkerId,
} from '../../../runtime/common/ids.ts'
import {
  resourceSet,
  UNITS_PER_ONE,
  unitsPerOne,
  type ResourceSet,
} from '../../../runtime/common/resources.ts'
import type { ActorSpec } from '../../../runtime/protocol/actor-messages.ts'
import type {
  ClassSpec,
  GroupSpec,
  JobSpec,
  WorkerExit,
} from '../../../runtime/protocol/messages.ts'
import { check } from '../../../runtime/raylet/check.ts'
import { createState, type RayletState } from '../../../runtime/raylet/state.ts'
import type { ClusterParts } from '../../../runtime/raylet/cluster/cluster-state.ts'
import { step } from '../../../runtime/raylet/step.ts'
import type { RayletEffect, RayletEvent } from '../../../runtime/raylet/turn.ts'
import { aJob } from '../../support/a-driver.ts'
import { showEffect, type Names } from './show-effect.ts'

export type Stimulus = RayletEvent extends infer E
  ? E extends E
    ? Omit<E, 'nowMs'>
    : never
  : never

export const NODE_ID = 'node-id-bytes.' as NodeId

/** `{ CPU: 1, GPU: 0.5 }` in units. */
export function units(amounts: Readonly<Record<string, number>>): ResourceSet {
  return resourceSet(
    Object.fromEntries(
      Object.entries(amounts).map(([name, n]) => [name, Math.round(n * unitsPerOne(name))]),
    ),
  )
}

export function aClass(changes: Partial<ClassSpec> = {}): ClassSpec {
  return {
    demand: { CPU: UNITS_PER_ONE },
    strategy: { kind: 'DEFAULT' },
    labelSelectors: [],
    env: undefined,
    name: 'square',
    inspect: false,
    retriable: true,
    ...changes,
  }
}

export function aDriversJob(jobId: string): JobSpec {
  const named = { jobId: jobId as JobId, name: `job ${jobId}`, namespace: 'default' }
  return { ...aJob(named), logToDriver: true }
}

export function anActor(changes: Partial<ActorSpec> & { readonly actorId: ActorId }): ActorSpec {
  return {
    jobId: 'job1' as JobId,
    name: undefined,
    namespace: 'default',
    className: 'Counter',
    detached: false,
    getIfExists: false,
    maxRestarts: 0,
    maxTaskRetries: 0,
    maxConcurrency: 1,
    concurrencyGroups: {},
    maxPendingCalls: -1,
    methods: {},
    scheduling: aClass({ name: 'Counter' }),
    defaultResources: true,
    fn: { home: 'file:///app.ts', ordinal: 0, hash: '', name: 'Counter' },
    args: new Uint8Array(),
    owner: 'driver1' as WorkerId,
    ...changes,
  }
}

export interface BrainOptions {
  readonly resources?: Readonly<Record<string, number>>
  readonly prestart?: number
  readonly workersMax?: number
  readonly owned?: boolean
  readonly epoch?: number
  readonly labels?: Readonly<Record<string, string>>
  /** Given: this node is one of several. */
  readonly cluster?: ClusterParts
}

export class Brain {
  readonly state: RayletState
  nowMs = 0
  readonly #names: Names = { workers: new Map() }
  #request = 0

  constructor(options: BrainOptions = {}) {
    const totals = units(options.resources ?? { CPU: 2 })
    const config = {
      nodeId: NODE_ID,
      epoch: options.epoch ?? 1,
      totals,
      labels: options.labels ?? {},
      cpuCount: options.prestart ?? Math.ceil((totals['CPU'] ?? 0) / UNITS_PER_ONE),
      workersMax: options.workersMax ?? 64,
      owned: options.owned ?? false,
      isGcsHost: options.cluster === undefined,
    }
    this.state = createState(config, options.cluster)
  }

  /** One step, then check(). */
  send(stimulus: Stimulus): RayletEffect[] {
    const effects = step(this.state, { ...stimulus, nowMs: this.nowMs })
    for (const effect of effects) {
      if (effect.kind !== 'spawn') continue
      this.#names.workers.set(effect.start.workerId, `w${String(this.#names.workers.size + 1)}`)
    }
    check(this.state)
    return effects
  }

  /** The effects as lines. */
  show(effects: readonly RayletEffect[]): string[] {
    return effects.map((effect) => showEffect(effect, this.#names))
  }

  /** `w1` → its id; other names are ids as they are. */
  id(name: string): WorkerId {
    for (const [id, known] of this.#names.workers) if (known === name) return id
    return name as WorkerId
  }

  nameOf(id: WorkerId): string {
    return this.#names.workers.get(id) ?? id
  }

  nextRequest(): number {
    return ++this.#request
  }

  driver(name: string, jobId: string): RayletEffect[] {
    const client = name as WorkerId
    const job = aDriversJob(jobId)
    return this.send({
      kind: 'clientConnected',
      client,
      role: 'driver',
      pid: 1,
      address: `@${name}`,
      job,
    })
  }

  /** The process of that worker has started and said hello. */
  hello(name: string): RayletEffect[] {
    const client = this.id(name)
    const pid = 100 + Number(name.slice(1))
    return this.send({
      kind: 'clientConnected',
      client,
      role: 'worker',
      pid,
      address: `@${name}`,
      job: undefined,
    })
  }

  want(client: string, classId: number, count: number, spec?: Partial<ClassSpec>): RayletEffect[] {
    const given = spec === undefined ? undefined : aClass(spec)
    return this.send({ kind: 'wantLeases', client: this.id(client), classId, count, spec: given })
  }

  giveBack(client: string, leaseId: number, retire = false): RayletEffect[] {
    return this.send({ kind: 'returnLease', client: this.id(client), leaseId, retire })
  }

  exit(name: string, exit: Partial<WorkerExit> = {}): RayletEffect[] {
    return this.send({
      kind: 'workerExited',
      exit: {
        workerId: this.id(name),
        pid: 100 + Number(name.slice(1)),
        code: null,
        signal: 'SIGKILL',
        peakRssBytes: 0,
        stderrTail: [],
        ...exit,
      },
    })
  }

  close(name: string): RayletEffect[] {
    return this.send({ kind: 'clientClosed', client: this.id(name) })
  }

  createActor(
    client: string,
    changes: Partial<ActorSpec> & { readonly actorId: ActorId },
  ): RayletEffect[] {
    const spec = anActor({ owner: this.id(client), ...changes })
    return this.send({
      kind: 'createActor',
      client: this.id(client),
      request: this.nextRequest(),
      spec,
    })
  }

  createGroup(
    client: string,
    spec: Partial<GroupSpec> & Pick<GroupSpec, 'groupId' | 'bundles'>,
  ): RayletEffect[] {
    const whole: GroupSpec = {
      jobId: 'job1' as JobId,
      name: spec.groupId,
      detached: false,
      strategy: 'PACK',
      ...spec,
    }
    const request = this.nextRequest()
    return this.send({ kind: 'createGroup', client: this.id(client), request, spec: whole })
  }

  block(
    client: string,
    waitId: number,
    wait: {
      taskId: string
      name?: string
      actorId?: string
      group?: string
      limit?: string
      need?: number
      isDependency?: boolean
      forReader?: boolean
      on: readonly { taskId: string; actorId?: string; group?: string; limit?: string }[]
    },
  ): RayletEffect[] {
    const { group, need, isDependency, forReader } = wait
    return this.send({
      kind: 'blocked',
      client: this.id(client),
      waitId,
      taskId: wait.taskId as TaskId,
      actorId: wait.actorId as ActorId | undefined,
      limit: wait.limit,
      name: wait.name ?? wait.taskId,
      ...(group === undefined ? {} : { group }),
      ...(need === undefined ? {} : { need }),
      ...(isDependency === undefined ? {} : { isDependency }),
      ...(forReader === undefined ? {} : { forReader }),
      on: wait.on.map(({ taskId, actorId, ...place }) => ({
        ...place,
        taskId: taskId as TaskId,
        name: taskId,
        ...(actorId === undefined ? {} : { actorId: actorId as ActorId }),
      })),
    })
  }

  /** Answers every checkWait among these effects: the wait is still on what it was. */
  confirm(effects: readonly RayletEffect[]): void {
    for (const effect of effects) {
      if (effect.kind !== 'notify' || effect.type !== 'checkWait') continue
      const { waitId } = effect.message
      const wait = [...this.state.waits.values()].find(
        (each) => each.client === effect.to && each.waitId === waitId,
      )
      if (wait === undefined) continue
      const { client, taskId, actorId, limit, name, on, need } = wait
      this.send({ kind: 'blocked', client, waitId, taskId, actorId, limit, name, on, need })
    }
  }

  unblock(client: string, waitId: number): RayletEffect[] {
    return this.send({ kind: 'unblocked', client: this.id(client), waitId })
  }

  staying(name: string): RayletEffect[] {
    return this.send({ kind: 'staying', client: this.id(name) })
  }

  owning(name: string, isOwner = true): RayletEffect[] {
    return this.send({ kind: 'owning', client: this.id(name), isOwner })
  }

  tick(byMs: number): RayletEffect[] {
    this.nowMs += byMs
    return this.send({ kind: 'tick' })
  }

  free(): ResourceSet {
    return this.state.ledger.free
  }
}

/** A brain with a driver and as many registered workers as it starts ahead. */
export function aBusyNode(options: BrainOptions = {}): Brain {
  const brain = new Brain(options)
  const spawned = brain.driver('driver1', 'job1').filter((effect) => effect.kind === 'spawn')
  for (const [index] of spawned.entries()) brain.hello(`w${String(index + 1)}`)
  return brain
}

/** The lease ids that these effects grant, in order. */
export function grantsOf(effects: readonly RayletEffect[]): LeaseId[] {
  return effects.flatMap((effect) =>
    effect.kind === 'notify' && effect.type === 'leaseGranted' ? [effect.message.leaseId] : [],
  )
}

export const hexNodeId = (): string => Buffer.from(NODE_ID, 'latin1').toString('hex')
export { fromHex }
