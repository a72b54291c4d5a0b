// What a driver is, as its workers need to know: its program, arguments, environment and folder.
import { basename, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { workerArgs } from '../runtime/core-worker/function-argv.ts'
import { findEntry } from '../runtime/core-worker/function-source-file.ts'

export interface DriverFacts {
  readonly name: string
  /** File URL of the main module; undefined in the REPL, -e and standard input. */
  readonly entry: string | undefined
  readonly argv: readonly string[]
  readonly execArgv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  toUrl(this: void, module: string): string
}

export function driverFacts(): DriverFacts {
  const main = process.argv[1]
  const entry = findEntry(main)
  const { argv, execArgv, env } = workerArgs({
    argv: process.argv.slice(1),
    execArgv: process.execArgv,
    env: process.env,
  })
  return {
    name: main === undefined ? 'driver' : basename(main),
    entry,
    argv,
    execArgv,
    env,
    cwd: process.cwd(),
    toUrl: (module) => (module.startsWith('file:') ? module : pathToFileURL(resolve(module)).href),
  }
}
