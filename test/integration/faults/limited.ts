// Programs under one limiter over all nodes (fixtures/limited.mts), and what their tasks have seen.
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { rendezvous } from '../../../runtime/gcs/rendezvous.ts'
import type { Running } from '../../support/running.ts'
import type { SeveralNodes } from '../../support/several-nodes.ts'
import type { Seen } from './fixtures/limited.mts'
import { fixture } from './steady.ts'

export interface LimitedWork {
  readonly host: number
  readonly limits: { readonly concurrency?: number; readonly perSecond?: number }
  readonly count: number
  readonly workMs: number
  /** Default: wherever SPREAD puts them, which may be one node, as few run at once. */
  readonly inTurn?: boolean
}

/** What runs under one limiter on a cluster. */
export class Limited {
  readonly #cluster: SeveralNodes
  readonly #folder: string

  constructor(cluster: SeveralNodes) {
    this.#cluster = cluster
    this.#folder = join(cluster.runtimeDir, `running-${String(performance.now())}`)
    mkdirSync(this.#folder)
  }

  start({ host, limits, count, workMs, inTurn = false }: LimitedWork): Running {
    const args = [this.#folder, JSON.stringify(limits), String(count), String(workMs)]
    if (inTurn) args.push('in-turn')
    return this.#cluster.program(host, fixture('limited.mts'), args)
  }

  /** Tasks; also those whose process was killed. */
  runningCount(): number {
    return readdirSync(this.#folder).length
  }
}

/** Of these nodes, the one that gives the tokens out. */
export const keeperIn = (nodeIds: readonly string[]): string | undefined =>
  rendezvous('limiters', nodeIds, 1)[0]

/** Its host. */
export function keeperOf({ nodes }: SeveralNodes): number {
  const keeper = keeperIn(nodes.map(({ nodeId }) => nodeId))
  return nodes.find(({ nodeId }) => nodeId === keeper)?.host ?? 0
}

export async function seenBy(...programs: readonly Running[]): Promise<Seen[]> {
  const ends = await Promise.all(programs.map(({ ended }) => ended))
  return ends.flatMap(({ code, stdout, stderr }) => {
    expect(stderr).toBe('')
    expect(code).toBe(0)
    return JSON.parse(stdout) as Seen[]
  })
}
