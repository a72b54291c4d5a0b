// Tasks that really wait for each other, on several brains: what a process says comes late or not,
// messages between nodes are late, lost or come twice, and results are on their way for a while.
// It knows the truth: which waits can never end, because what they need never will.
import { toHex, type NodeId, type TaskId, type WorkerId } from '../../../runtime/common/ids.ts'
import { createState, type RayletState } from '../../../runtime/raylet/state.ts'
import { step } from '../../../runtime/raylet/step.ts'
import type { RayletEffect } from '../../../runtime/raylet/turn.ts'
import { ClusterView } from '../../../runtime/scheduling/cluster-view.ts'
import type { Stimulus } from './brain.ts'
import { LateEvents } from './late-events.ts'

export interface TaskPlan {
  readonly node: number
  readonly beginsAtMs: number
  /** By their places in the list; it waits for these in turn, one list after the other. */
  readonly waits: readonly { readonly on: readonly number[]; readonly any: boolean }[]
  /** How long it runs after its last wait. */
  readonly runsMs: number
}

export interface WorldPlan {
  readonly nodeCount: number
  readonly tasks: readonly TaskPlan[]
  /** Chances that a message between nodes is lost, or comes twice. */
  readonly lossShare: number
  readonly twiceShare: number
  /** How long at most a message, an answer of a process, or a result is on its way. */
  readonly lateMs: number
  /** A node that dies, and when. */
  readonly dies: { readonly node: number; readonly atMs: number } | undefined
}

interface Task {
  readonly index: number
  readonly id: TaskId
  readonly client: WorkerId
  readonly plan: TaskPlan
  /** Which of its waits it is in; undefined: it runs. */
  wait: { readonly id: number; readonly on: number[]; readonly any: boolean } | undefined
  /** How many of its waits are over. */
  done: number
  hasEnded: boolean
}

/** An answer that never comes is given up after so long. */
const LOST_AFTER_MS = 5000
const LOSSES_END_MS = 8000
const TICK_MS = 20

export class WaitingWorld {
  readonly tasks: readonly Task[]
  /** Waits that were told, as `TASK/WAIT`, in order; and those of them that could have ended. */
  readonly told: string[] = []
  readonly falselyTold: string[] = []
  /** How many messages went between nodes. */
  messageCount = 0
  /** For how long the wait that was stuck longest was. */
  stuckMsMax = 0
  readonly #plan: WorldPlan
  readonly #random: () => number
  readonly #states: RayletState[]
  readonly #dead = new Set<number>()
  readonly #events = new LateEvents()
  /** Since when each wait was truly stuck. */
  readonly #stuckSinceMs = new Map<string, number>()
  #request = 0
  readonly #answers = new Map<number, (value: unknown) => void>()

  constructor(plan: WorldPlan, random: () => number) {
    this.#plan = plan
    this.#random = random
    this.#states = Array.from({ length: plan.nodeCount }, (_, index) => stateOf(index, random))
    this.tasks = plan.tasks.map((each, index) => {
      const [id, client] = [`task${String(index)}` as TaskId, `p${String(index)}` as WorkerId]
      return { index, id, client, plan: each, wait: undefined, done: 0, hasEnded: false }
    })
    this.#tellNodes()
    for (const task of this.tasks) {
      const hello = { client: task.client, role: 'worker', pid: 1, address: '@' } as const
      this.#send(task.plan.node, { kind: 'clientConnected', ...hello, job: undefined })
      this.#after(task.plan.beginsAtMs, () => {
        this.#goOn(task)
      })
    }
    if (plan.dies !== undefined)
      this.#after(plan.dies.atMs, () => {
        this.#die()
      })
  }

  get nowMs(): number {
    return this.#events.nowMs
  }

  runFor(ms: number): void {
    this.#events.runFor(ms, TICK_MS, () => {
      for (const [index, state] of this.#states.entries()) {
        if (!this.#dead.has(index) && state.wakeAtMs <= this.nowMs) this.#send(index, TICK)
      }
    })
  }

  /** Those that will never end. */
  stuckTasks(): number[] {
    return this.tasks.filter(({ hasEnded }) => !hasEnded).map(({ index }) => index)
  }

  #after(ms: number, run: () => void): void {
    this.#events.after(ms, () => {
      run()
      this.#lookAtTruth()
    })
  }

  #late(run: () => void): void {
    this.#after(this.#random() * this.#plan.lateMs, run)
  }

  /** Into its next wait, or to its end. */
  #goOn(task: Task): void {
    if (task.hasEnded) return
    const next = task.plan.waits[task.done]
    if (next === undefined) {
      this.#after(task.plan.runsMs, () => {
        this.#end(task)
      })
      return
    }
    task.wait = { id: task.done + 1, on: [...next.on], any: next.any }
    this.#report(task)
    // What had ended before.
    for (const index of next.on) if (this.tasks[index]?.hasEnded === true) this.#result(task, index)
  }

  #report(task: Task, check?: number): void {
    const { wait, client, id: taskId, index, plan } = task
    if (wait === undefined) return
    const on = wait.on.map((each) => ({
      taskId: `task${String(each)}` as TaskId,
      name: String(each),
    }))
    this.#send(plan.node, {
      ...{ kind: 'blocked', client, waitId: wait.id, taskId, name: String(index), on },
      ...{ actorId: undefined, limit: undefined, need: wait.any ? 1 : on.length },
      ...(check === undefined ? {} : { check }),
    })
  }

  /** On its way. */
  #result(task: Task, of: number): void {
    const { wait } = task
    this.#late(() => {
      const at = wait?.on.indexOf(of) ?? -1
      if (wait === undefined || task.wait !== wait || at < 0) return
      wait.on.splice(at, 1)
      if (wait.any || wait.on.length === 0) this.#endWait(task)
    })
  }

  #endWait(task: Task): void {
    const { wait, client, plan } = task
    if (wait === undefined) return
    task.wait = undefined
    task.done += 1
    this.#send(plan.node, { kind: 'unblocked', client, waitId: wait.id })
    this.#goOn(task)
  }

  #end(task: Task): void {
    if (task.hasEnded) return
    const { wait, client, plan } = task
    task.hasEnded = true
    task.wait = undefined
    if (wait !== undefined) this.#send(plan.node, { kind: 'unblocked', client, waitId: wait.id })
    for (const other of this.tasks) {
      if (other.wait?.on.includes(task.index) === true) this.#result(other, task.index)
    }
  }

  #die(): void {
    const index = this.#plan.dies?.node ?? -1
    this.#dead.add(index)
    this.#after(100, () => {
      this.#tellNodes()
    })
    for (const task of this.tasks) if (task.plan.node === index) this.#end(task)
  }

  #tellNodes(): void {
    const living = [...this.#states.keys()].filter((index) => !this.#dead.has(index))
    for (const index of living) {
      const others = living.filter((each) => each !== index)
      this.#send(index, { kind: 'confirmed', untilMs: Infinity })
      this.#send(index, {
        ...{ kind: 'nodes', suspected: new Set<string>() },
        nodes: others.map((each) => ({
          ...{ nodeId: idOf(each), totals: {}, free: {}, labels: {} },
        })),
        members: new Map(others.map((each) => [idOf(each), { epoch: 1, isDraining: false }])),
      })
    }
  }

  #send(index: number, stimulus: Stimulus): void {
    const state = this.#states[index]
    if (state === undefined || this.#dead.has(index)) return
    for (const effect of step(state, { ...stimulus, nowMs: this.nowMs })) {
      this.#perform(index, effect)
    }
  }

  #perform(index: number, effect: RayletEffect): void {
    if (effect.kind === 'askWaits') this.#ask(index, effect)
    else if (effect.kind === 'answer') this.#answers.get(effect.request)?.(effect.value)
    else if (effect.kind === 'notify') this.#notify(effect)
  }

  #ask(from: number, effect: Extract<RayletEffect, { kind: 'askWaits' }>): void {
    const { nodeId, type, message } = effect
    const to = this.#states.findIndex((_, index) => idOf(index) === nodeId)
    if (to !== from) this.messageCount += 1
    let isOver = false
    const answered = (answer: unknown): void => {
      if (isOver) return
      isOver = true
      this.#send(from, { kind: 'waitsAnswered', nodeId, type, message, answer } as Stimulus)
    }
    this.#after(LOST_AFTER_MS, () => {
      answered(undefined)
    })
    const deliver = (): void => {
      const request = ++this.#request
      this.#answers.set(request, (value) => {
        if (!this.#isLost())
          this.#late(() => {
            answered(value)
          })
      })
      this.#send(to, { kind: 'waitsAsked', from: idOf(from), request, type, message })
    }
    if (!this.#isLost()) this.#late(deliver)
    if (this.#random() < this.#plan.twiceShare) this.#late(deliver)
  }

  #isLost(): boolean {
    return this.nowMs < LOSSES_END_MS && this.#random() < this.#plan.lossShare
  }

  #notify({ to, type, message }: Extract<RayletEffect, { kind: 'notify' }>): void {
    const task = this.tasks.find(({ client }) => client === to)
    if (task === undefined) return
    if (type === 'checkWait') {
      this.#late(() => {
        if (task.wait?.id === message.waitId) this.#report(task, message.check)
      })
    } else if (type === 'deadlock') {
      const key = `${String(task.index)}/${String(message.waitId)}`
      this.told.push(key)
      if (!this.#stuckSinceMs.has(key)) this.falselyTold.push(key)
      this.#after(0, () => {
        if (task.wait?.id === message.waitId) this.#end(task)
      })
    }
  }

  /** The greatest set of waits that need each other. */
  #lookAtTruth(): void {
    const stuck = new Set(this.tasks.filter(({ wait }) => wait !== undefined))
    for (let changed = true; changed;) {
      changed = false
      for (const task of stuck) {
        const isStuck = (index: number): boolean => stuck.has(this.tasks[index] as Task)
        const { on = [], any = false } = task.wait ?? {}
        if (any ? on.every(isStuck) : on.some(isStuck)) continue
        stuck.delete(task)
        changed = true
      }
    }
    for (const { index, wait } of stuck) {
      const key = `${String(index)}/${String(wait?.id)}`
      const sinceMs = this.#stuckSinceMs.get(key) ?? this.nowMs
      this.#stuckSinceMs.set(key, sinceMs)
      this.stuckMsMax = Math.max(this.stuckMsMax, this.nowMs - sinceMs)
    }
  }
}

const TICK: Stimulus = { kind: 'tick' }

const idOf = (index: number): string => toHex(nodeIdOf(index))
const nodeIdOf = (index: number): NodeId => `${String(index).padStart(9, '0')}-node` as NodeId

function stateOf(index: number, random: () => number): RayletState {
  const config = { nodeId: nodeIdOf(index), epoch: 1, totals: {}, labels: {}, cpuCount: 0 }
  const view = new ClusterView([], idOf(index))
  return createState(
    { ...config, workersMax: 0, owned: false, isGcsHost: index === 0 },
    { view, random: { next: random }, shunned: new Map() },
  )
}
