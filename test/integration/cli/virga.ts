// Drives the built `virga` command as a user does: a process of its own, in a runtime folder of its
// own, so that clusters of other tests are not seen and nothing of this one is left behind.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { envIn, running, type Ended, type Running } from '../../support/running.ts'

const ROOT = join(import.meta.dirname, '../../..')
export const CLI = join(ROOT, 'dist/cli.js')
export const fixture = (name: string): string => join(import.meta.dirname, 'fixtures', name)

/** A command that takes longer hangs; it is killed and told as such. */
const COMMAND_MS_MAX = 90_000

/** What has been removed is another folder when it is used again. */
export class Place {
  readonly #commandMs: number
  #runtimeDir: string | undefined
  #env: NodeJS.ProcessEnv | undefined

  /** @param commandMs  how long a command or program may take. */
  constructor(commandMs = COMMAND_MS_MAX) {
    this.#commandMs = commandMs
  }

  /** Of sessions. Sockets lie below it, so it must be short. */
  get runtimeDir(): string {
    return (this.#runtimeDir ??= mkdtempSync(join(tmpdir(), 'vt-')))
  }

  /** May be changed. */
  get env(): NodeJS.ProcessEnv {
    return (this.#env ??= envIn(this.runtimeDir))
  }

  /** Runs `virga ARGS` to its end. */
  virga(...args: readonly string[]): Promise<Ended> {
    return this.start(...args).ended
  }

  /** What `virga ARGS --json` printed; fails when its exit code is not 0. */
  async json(...args: readonly string[]): Promise<Record<string, unknown>> {
    const { code, stdout, stderr } = await this.virga(...args, '--json')
    if (code !== 0)
      throw new Error(`virga ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`)
    return JSON.parse(stdout) as Record<string, unknown>
  }

  /** Starts a cluster at a free port. @param args  more of the command. @returns what it tells. */
  async startNodes(
    { nodes, numCpus = 2 }: { readonly nodes: number; readonly numCpus?: number },
    ...args: readonly string[]
  ): Promise<Row> {
    const sizes = ['--nodes', String(nodes), '--num-cpus', String(numCpus)]
    return this.json('start', ...sizes, '--port', String(await freePort()), ...args)
  }

  /** Rows of `virga list KIND`. */
  async rows(kind: string, ...args: readonly string[]): Promise<Row[]> {
    return (await this.json('list', kind, ...args))['rows'] as Row[]
  }

  start(...args: readonly string[]): Running {
    return this.spawn(process.execPath, [CLI, ...args])
  }

  /** A program by itself, without the command. */
  node(...args: readonly string[]): Running {
    return this.spawn(process.execPath, args)
  }

  spawn(file: string, args: readonly string[]): Running {
    const { env, runtimeDir: cwd } = this
    return running(spawn(file, args, { env, cwd, timeout: this.#commandMs }))
  }

  /** Names of what lies in the folder of sessions. */
  left(): string[] {
    const root = join(this.runtimeDir, 'virga')
    return existsSync(root) ? readdirSync(root) : []
  }

  remove(): void {
    if (this.#runtimeDir !== undefined) rmSync(this.#runtimeDir, { recursive: true, force: true })
    this.#runtimeDir = undefined
    this.#env = undefined
  }
}

/** For a file whose tests each have a cluster of their own, which ends with the test. */
export function placeOfEachTest(commandMs?: number): Place {
  const place = new Place(commandMs)
  afterEach(async () => {
    await place.virga('stop')
    place.remove()
  })
  return place
}

export type Row = Readonly<Record<string, unknown>>

/** What a program has printed by now, each line of it JSON. */
export function jsonLines<Line = Row>({ output }: Running): Line[] {
  const whole = output.stdout.split('\n').slice(0, -1)
  return whole.map((line) => JSON.parse(line) as Line)
}
