// Runs a program of fixtures/ as a user would, in a process of its own, and collects what it says.
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { running, type Ended } from '../../support/running.ts'

const ROOT = join(import.meta.dirname, '../../..')
export const FIXTURES = join(import.meta.dirname, 'fixtures')

/** A program that takes longer hangs; it is killed and told as such. */
const PROGRAM_MS_MAX = 25_000

export interface ProgramStart {
  /** Options of Node, and `-e` with its code. */
  readonly nodeArgs?: readonly string[]
  /** A file of fixtures/, or a path. None: nodeArgs or the input say what to run. */
  readonly file?: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Standard input. */
  readonly input?: string
}

export async function runProgram(start: ProgramStart): Promise<Ended> {
  const path = start.file === undefined ? [] : [resolve(FIXTURES, start.file)]
  const { VITEST: _vitest, ...env } = process.env
  const child = spawn(
    process.execPath,
    [...(start.nodeArgs ?? []), ...path, ...(start.args ?? [])],
    {
      cwd: dirname(path[0] ?? join(FIXTURES, 'x')),
      env: { ...env, ...start.env },
      timeout: PROGRAM_MS_MAX,
    },
  )
  child.stdin.end(start.input ?? '')
  return running(child).ended
}

/** The one line of JSON that a fixture prints at its end; what went wrong when there is none. */
export async function resultOf(start: ProgramStart): Promise<unknown> {
  const end = await runProgram(start)
  const lines = end.stdout.split('\n').filter((line) => line.startsWith('{'))
  const [line, ...others] = lines
  if (line === undefined || others.length > 0 || end.code !== 0) {
    throw new Error(`exit ${end.code}, ${lines.length} results\n${end.stdout}\n${end.stderr}`)
  }
  return JSON.parse(line)
}

/** A project of a user's with fixtures in it, in which `virga` is installed. */
export class TemporaryProject {
  readonly folder: string

  constructor(...files: readonly string[]) {
    this.folder = mkdtempSync(join(tmpdir(), 'virga-shipping-'))
    mkdirSync(join(this.folder, 'node_modules'))
    symlinkSync(ROOT, join(this.folder, 'node_modules/virga'))
    cpSync(join(FIXTURES, 'project.json'), join(this.folder, 'package.json'))
    for (const file of files) cpSync(join(FIXTURES, file), join(this.folder, basename(file)))
  }

  path(file: string): string {
    return join(this.folder, file)
  }

  write(file: string, text: string): void {
    writeFileSync(this.path(file), text)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true })
  }
}
