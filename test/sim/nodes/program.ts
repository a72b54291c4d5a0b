// What the driver of each node does until its process ends, or the run comes to its end: tasks,
// and with some seeds actors, placement groups, refs of others and limiters, each again and again
// beside the others.
import type { Draw } from '../draw.ts'
import * as remote from '../workload.ts'
import { ActorsProgram } from './actors-program.ts'
import type { Cluster } from './cluster.ts'
import { DurableProgram } from './durable-program.ts'
import { GroupsProgram } from './groups-program.ts'
import { Judge } from './judge.ts'
import { LimitersProgram } from './limiters-program.ts'
import type { SimMember } from './member.ts'
import { OrphansProgram } from './orphans-program.ts'
import type { PartName } from './plan.ts'
import { TasksProgram } from './tasks-program.ts'

export interface Part {
  /** @returns whether all went well. */
  round(name: string): Promise<boolean>
}

export interface PartHost {
  readonly cluster: Cluster
  readonly member: SimMember
  readonly draw: Draw
  readonly judge: Judge
}

const PARTS: Readonly<Record<PartName, (host: PartHost) => Part>> = {
  actors: (host) => new ActorsProgram(host),
  groups: (host) => new GroupsProgram(host),
  orphans: (host) => new OrphansProgram(host),
  limiters: (host) => new LimitersProgram(host),
  durable: (host) => new DurableProgram(host),
}

export class NodesProgram {
  readonly #host: PartHost
  /** Of its driver. */
  readonly #name: string

  constructor({ name, ...of }: Omit<PartHost, 'judge'> & { readonly name: string }) {
    this.#host = { ...of, judge: new Judge(of) }
    this.#name = name
  }

  async run(): Promise<void> {
    const { cluster, draw } = this.#host
    const others = cluster.plan.parts.map((name) => {
      const own = draw.fork(name)
      return this.#loop(name, PARTS[name]({ ...this.#host, draw: own }), own)
    })
    await Promise.all([this.#loop('tasks', new TasksProgram(this.#host), draw), ...others])
  }

  async #loop(name: string, part: Part, draw: Draw): Promise<void> {
    const { cluster, member } = this.#host
    member.goodAtMs.set(name, 0)
    const prefix = name === 'tasks' ? this.#name : `${this.#name}.${name}`
    for (let round = 1; !cluster.isEnding; round += 1) {
      if (await part.round(`${prefix}.${String(round)}`)) {
        member.goodAtMs.set(name, cluster.world.scheduler.nowMs)
      }
      await remote.sleep(draw.between(500, 3_000))
    }
  }
}
