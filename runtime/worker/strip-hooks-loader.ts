// Loads TypeScript into a worker without loading Node's stripper (64 ms and 64 MB per worker
// against 29 ms and 47 MB): the raylet strips each file once for all workers of the node.
//   installTypeScriptHooks({ ask, noteHash }): boolean    before the first home is imported
// Invariants:
//   SH1. Only what Node itself would strip comes here: .ts, .mts, .cts outside node_modules. Under
//       another loader (tsx) nothing is installed.
//   SH2. An imported CommonJS module is given back without a source, so that Node loads it as it
//       would without hooks. With one, Node 22 gives it a require() that cannot load an ES module
//       that is loaded already ('request for ... is not in cache'), such as this package. Node
//       that refuses an empty source gets no hooks: its workers strip for themselves.
import { Module, registerHooks } from 'node:module'
import type { LoadFnOutput, LoadHookContext } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { stripsTypes } from '../core-worker/function-argv.ts'
import type { ModuleFormat, StripAnswer } from '../protocol/strip-message.ts'
import type { AskStrip } from './strip-pipe-file.ts'

export interface TypeScriptPorts {
  readonly ask: AskStrip
  /** Told the SHA-256, as hex, of the bytes that a URL was loaded from. */
  readonly noteHash: (url: string, sha256Hex: string) => void
}

/** @returns false when nothing was installed, because of SH1 or SH2. */
export function installTypeScriptHooks(ports: TypeScriptPorts): boolean {
  const { execArgv, env, versions } = process
  if (!stripsTypes({ execArgv, env }) || !takesEmptySource(versions.node)) return false
  const load = (url: string, known: ModuleFormat | undefined): Loaded => {
    const answer = ports.ask({ url, wantsFormat: known === undefined })
    if (answer.kind === 'failed') throw rebuild(answer)
    ports.noteHash(url, Buffer.from(answer.sha256).toString('hex'))
    return { format: known ?? answer.format, source: answer.text }
  }
  const commonjs = new Set<string>()
  registerHooks({
    load(url, context, nextLoad) {
      if (!isStrippable(url, context)) return asNodeLoads(nextLoad(url, context), context)
      const loaded = load(url, formatOf(context))
      if (loaded.format === 'commonjs') commonjs.add(fileURLToPath(url))
      return asNodeLoads({ ...loaded, shortCircuit: true }, context)
    },
  })
  for (const extension of ['.cts', '.ts']) {
    takeOverCommonJs(extension, (path) =>
      extension === '.cts' || commonjs.has(path)
        ? load(pathToFileURL(path).href, 'commonjs').source
        : undefined,
    )
  }
  return true
}

/** Found by trying each release. */
function takesEmptySource(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  if (major === 22) return minor > 22 || (minor === 22 && patch >= 3)
  return major === 24 ? minor >= 12 : major > 25
}

/** SH2. */
function asNodeLoads(result: LoadFnOutput, context: LoadHookContext): LoadFnOutput {
  const isImported = context.conditions?.includes('import') === true
  return isImported && result.format === 'commonjs' ? { ...result, source: undefined } : result
}

interface Loaded {
  readonly format: ModuleFormat
  readonly source: string
}

interface CommonJsModule {
  _compile(source: string, path: string, format: string): void
}

type Extensions = Record<string, ((module: CommonJsModule, path: string) => void) | undefined>

/**
 * Node strips what it compiles as CommonJS TypeScript once more, whatever a hook has returned, and
 * would load its stripper for that.
 */
function takeOverCommonJs(extension: string, find: (path: string) => string | undefined): void {
  const { _extensions: extensions } = Module as unknown as { _extensions: Extensions }
  const original = extensions[extension]
  extensions[extension] = (module, path) => {
    const source = path.includes('/node_modules/') ? undefined : find(path)
    if (source === undefined) original?.(module, path)
    else module._compile(source, path, 'commonjs')
  }
}

function isStrippable(url: string, context: LoadHookContext): boolean {
  if (!/^file:[^?#]*\.[mc]?ts(?:[?#]|$)/.test(url) || url.includes('/node_modules/')) return false
  return context.format === null || context.format === undefined || isTypeScript(context.format)
}

function isTypeScript(format: string): boolean {
  return format.endsWith('-typescript')
}

/** Undefined where no package.json says whether the file is a module. */
function formatOf(context: LoadHookContext): ModuleFormat | undefined {
  if (context.format === 'module-typescript') return 'module'
  if (context.format === 'commonjs-typescript') return 'commonjs'
  return undefined
}

function rebuild(failure: StripAnswer & { kind: 'failed' }): Error {
  const error = failure.isSyntaxError
    ? new SyntaxError(failure.message)
    : new Error(failure.message)
  return failure.code === undefined ? error : Object.assign(error, { code: failure.code })
}
