// What a worker is started with, derived from how its driver was started (pure).
//   workerArgs({ execArgv, argv, env }) -> the same three for workers
//   stripsTypes({ execArgv, env })      whether workers may get stripped TypeScript from the raylet
// Kept: loaders (tsx), --import, --conditions, memory limits, the user's arguments and environment.
// Invariants:
//   FA1. Left out is what makes Node run something else than a module (-e, -p, --test, --watch),
//       what only one process can have (inspector port), and what writes a file per process
//       (profiles).
//   FA2. --enable-source-maps is left out: it costs a worker 100 MB and 180 ms on a large bundle;
//       the driver maps the frames of errors instead (function-source-map-file.ts).
//   FA3. Options in NODE_OPTIONS obey the same rule.

export interface ProcessArgs {
  /** Node's own options: process.execArgv. */
  readonly execArgv: readonly string[]
  /** process.argv without the executable: main module first, where there is one. */
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}

export interface WorkerArgs {
  readonly execArgv: readonly string[]
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

export function workerArgs(driver: ProcessArgs): WorkerArgs {
  return {
    execArgv: keptOptions(driver.execArgv),
    argv: [...driver.argv],
    env: workerEnv(driver),
  }
}

const DROPPED = [
  /^-[eip]{1,2}$/,
  /^--(?:eval|print|interactive|check|input-type|run)$/,
  /^-c$/,
  /^--(?:experimental-)?test(?:-|$)/,
  /^--watch(?:-|$)/,
  /^--(?:inspect|debug)(?:-|$)/,
  /^--(?:cpu|heap)-prof(?:-|$)/,
  /^--prof$/,
  /^--enable-source-maps$/,
]

/** Their value may look like an option (`-e '-1'`), so the next argument is always theirs. */
const TAKES_ANY_VALUE = /^(?:-e|-p|-pe|--eval|--print)$/

/** In execArgv whatever does not start with a dash is the value of the option before it. */
function keptOptions(options: readonly string[]): string[] {
  const kept: string[] = []
  for (let index = 0; index < options.length; index++) {
    const option = options[index] ?? ''
    const [name, value] = splitOnce(option, '=')
    if (!DROPPED.some((pattern) => pattern.test(name))) {
      kept.push(option)
      continue
    }
    const next = options[index + 1]
    if (value !== undefined || next === undefined) continue
    if (TAKES_ANY_VALUE.test(name) || !next.startsWith('-')) index++
  }
  return kept
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}

/** Set by Node's test runner and watch mode for the processes that they start themselves. */
const DROPPED_ENV = new Set(['NODE_TEST_CONTEXT', 'WATCH_REPORT_DEPENDENCIES'])

function workerEnv(driver: ProcessArgs): Record<string, string> {
  const { env } = driver
  const dropped = new Set(DROPPED_ENV)
  // Node's test runner reads and removes this folder when the driver ends, before workers do.
  // Of another coverage tool the folder is the user's, and the workers' code is wanted there.
  if (env['NODE_TEST_CONTEXT'] !== undefined) dropped.add('NODE_V8_COVERAGE')
  const kept: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || dropped.has(name)) continue
    kept[name] = name === 'NODE_OPTIONS' ? joinOptions(keptOptions(splitOptions(value))) : value
  }
  return kept
}

/**
 * NODE_OPTIONS as Node reads it: separated by spaces, double quotes keep spaces together, a
 * backslash inside quotes takes the next character as it is.
 */
export function splitOptions(text: string): string[] {
  const options: string[] = []
  for (const match of text.matchAll(/(?:"(?:\\.|[^"\\])*"|[^\s"])+/g)) {
    options.push(
      match[0].replaceAll(/"((?:\\.|[^"\\])*)"/g, (_, quoted: string) => unescape(quoted)),
    )
  }
  return options
}

function unescape(quoted: string): string {
  return quoted.replaceAll(/\\(.)/g, '$1')
}

function joinOptions(options: readonly string[]): string {
  return options.map(quote).join(' ')
}

function quote(option: string): string {
  if (!/[\s"\\]/.test(option)) return option
  return `"${option.replaceAll(/["\\]/g, String.raw`\$&`)}"`
}

const PRELOADS = /^(?:--import|--require|-r)$/
const LOADERS = /^(?:--loader|--experimental-loader)$/
const TYPESCRIPT_LOADER = /tsx|ts-node|swc|oxc|esbuild|jiti|sucrase|babel/
const NOT_PLAIN_STRIPPING =
  /^--(?:experimental-transform-types|no-experimental-strip-types|no-strip-types)$/

/**
 * Whether the workers' TypeScript is what Node's own type stripping makes of it, so that the
 * raylet may strip for them: no other loader, no transforming.
 */
export function stripsTypes(worker: Pick<ProcessArgs, 'execArgv' | 'env'>): boolean {
  const options = [...worker.execArgv, ...splitOptions(worker.env['NODE_OPTIONS'] ?? '')]
  return !options.some((option, index) => {
    const [name, value = options[index + 1] ?? ''] = splitOnce(option, '=')
    if (LOADERS.test(name) || NOT_PLAIN_STRIPPING.test(name)) return true
    return PRELOADS.test(name) && TYPESCRIPT_LOADER.test(value)
  })
}
