// A program that works over all nodes (fixtures/steady.mts) while a test breaks something.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Running } from '../../support/running.ts'
import type { SeveralNodes } from '../../support/several-nodes.ts'
import { until } from '../../support/waiting.ts'
import type { Story, Ten } from './fixtures/steady.mts'

export const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name)

/** A driver on that host has a task run on each of the nodes, whatever spreading would do. */
export async function allLease(
  cluster: SeveralNodes,
  from: number,
  nodes = cluster.nodes,
): Promise<void> {
  const hosts = nodes.map(({ host }) => String(host))
  const { stdout, stderr } = await cluster.program(from, fixture('on-hosts.mts'), hosts).ended
  expect(stdout.trim().split('\n'), stderr).toEqual(nodes.map(({ nodeId }) => nodeId))
}

export class Steady {
  readonly program: Running
  readonly #stopFile: string

  private constructor(cluster: SeveralNodes, host: number) {
    this.#stopFile = join(cluster.runtimeDir, `stop-${String(performance.now())}`)
    this.program = cluster.program(host, fixture('steady.mts'), [this.#stopFile])
  }

  /** It is at work when this resolves. */
  static async on(cluster: SeveralNodes, host: number): Promise<Steady> {
    const steady = new Steady(cluster, host)
    await steady.goesOn()
    return steady
  }

  /** Ten chains begin and end after this was called. */
  async goesOn(): Promise<void> {
    const { output, child } = this.program
    const lines = (): number => output.stdout.split('\n').length
    const before = lines()
    await until(() => lines() >= before + 2 || child.exitCode !== null)
    if (child.exitCode !== null) throw new Error(`the program ended: ${JSON.stringify(output)}`)
  }

  /** What it has told by now. */
  get tens(): Ten[] {
    const lines = this.program.output.stdout.split('\n').slice(0, -1)
    return lines.map((line) => JSON.parse(line) as Ten)
  }

  /** Ends it. Every chain that was begun has ended. */
  async story(): Promise<Story> {
    writeFileSync(this.#stopFile, '')
    const { code, stdout, stderr } = await this.program.ended
    expect(stderr).toBe('')
    expect(code).toBe(0)
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Story
  }
}
