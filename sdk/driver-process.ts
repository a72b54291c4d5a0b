// What a driver is, as its workers need to know: its program, arguments, environment and folder.
import { statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { InvalidEnvError, UsageError } from '../runtime/common/errors.ts'
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
  /** @throws UsageError for a module of `init({ modules })` that is no file. */
  moduleUrl(this: void, module: string): string
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
    cwd: currentFolder(),
    moduleUrl,
  }
}

function currentFolder(): string {
  try {
    return process.cwd()
  } catch (cause) {
    throw new UsageError(
      'the current folder is gone (removed, or replaced by another of its name): change to one ' +
        'that exists, such as with `cd "$PWD"`, then start again',
      { cause },
    )
  }
}

function moduleUrl(module: string): string {
  const path = module.startsWith('file:') ? fileURLToPath(module) : resolve(module)
  if (statSync(path, { throwIfNoEntry: false })?.isFile() !== true) {
    throw new UsageError(
      `init({ modules }) names '${module}', and there is no file ${path}: give a path from ` +
        `${process.cwd()}, with its extension, or a file URL (new URL('./x.ts', import.meta.url).href)`,
      { data: { module, path } },
    )
  }
  return pathToFileURL(path).href
}

/**
 * The whole path of the folder that all workers of a job are to start in.
 * @throws InvalidEnvError when there is none.
 */
export function existingFolder(folder: string): string {
  const path = resolve(folder)
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return path
  throw new InvalidEnvError(
    `init({ runtimeEnv }) names the workingDir '${folder}', and there is no folder ${path}: make ` +
      'it first, or name one that exists',
    { data: { name: 'workingDir', path } },
  )
}
