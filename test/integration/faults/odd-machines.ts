// Machines of nodes whose clock and names a test changes while they run (fixtures/odd-machine.mts).
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { until } from '../../support/waiting.ts'
import { fixture } from './steady.ts'

/** Resolves to this machine's loopback, where it resolves. */
export const AWS_NAME = 'aws.virga.test'

export class OddMachines {
  readonly #folder = mkdtempSync(join(tmpdir(), 'virga-odd-'))

  /** Of the processes of that host. */
  env(host: number): NodeJS.ProcessEnv {
    mkdirSync(this.#of(host), { recursive: true })
    const preload = pathToFileURL(fixture('odd-machine.mts')).href
    return { VIRGA_ODD_MACHINE: this.#of(host), NODE_OPTIONS: `--import ${preload}` }
  }

  /** Resolves once its processes have come to see it. */
  async setClock(host: number, offByMs: number): Promise<void> {
    writeFileSync(join(this.#of(host), 'off-by'), String(offByMs))
    await until(() => this.#read(host, 'saw').trimEnd().split('\n').at(-1) === String(offByMs))
  }

  forgetNames(host: number): void {
    writeFileSync(join(this.#of(host), 'no-names'), '')
  }

  knowNames(host: number): void {
    rmSync(join(this.#of(host), 'no-names'))
  }

  /** How often the name was looked up by now. */
  lookups(host: number): number {
    return this.#read(host, 'lookups').length
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true })
  }

  #read(host: number, name: string): string {
    const path = join(this.#of(host), name)
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }

  #of(host: number): string {
    return join(this.#folder, String(host))
  }
}
