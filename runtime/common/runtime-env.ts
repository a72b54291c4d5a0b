// The runtime environment of workers: what users may ask for, and what is refused because it
// would change how every process of the worker loads code, or whom it is taken for (B34, B35).
// Values of variables are never shown: they may be secrets.
// Source: Ray python/ray/runtime_env/runtime_env.py (fields, inheritance).
import { InvalidEnvError } from './errors.ts'
import { listOf, option, plainObject, readOptions, refuse } from './option-checks.ts'
import type { Check } from './option-checks.ts'
import { classNameOf, clip } from './show-value.ts'

export interface RuntimeEnvSpec {
  /** Sorted by name. */
  readonly envVars: Readonly<Record<string, string>>
  readonly workingDir: string | undefined
  readonly npm: readonly string[]
  readonly excludes: readonly string[]
}

/** Names and values together; the kernel gives a new process not much more. */
export const ENV_BYTES_MAX = 128 * 1024
const NPM_PACKAGES_MAX = 256
const EXCLUDES_MAX = 1000

const NAMES = { envVars: true, workingDir: true, npm: true, excludes: true } as const

/** Variables that only Virga or the operator of a node sets, and why. */
const DENIED: readonly (readonly [RegExp, string])[] = [
  [
    /^NODE_OPTIONS$/,
    'it would change every Node process of the worker; use the execArgv of the driver',
  ],
  [
    /^NODE_(CHANNEL_FD|CHANNEL_SERIALIZATION_MODE|UNIQUE_ID|REPL_EXTERNAL_MODULE)$/,
    'Node uses it itself',
  ],
  [/^(LD|DYLD)_/, 'it would load other code into every process of the worker'],
  [/^(BASH_ENV|ENV|GCONV_PATH)$/, 'it would run other code in processes of the worker'],
  [/^AWS_/, 'credentials and regions come from the role of the node'],
  [/^VIRGA_/, 'Virga sets these itself'],
  [/^CUDA_VISIBLE_DEVICES$/, 'it is set from the GPUs of the lease; use numGpus'],
]

/**
 * The option `runtimeEnv`, or undefined when it asks for nothing.
 * @throws InvalidEnvError that names the variable; UsageError for the rest.
 */
export const runtimeEnvOf: Check<RuntimeEnvSpec | undefined> = (label, value) => {
  const given = readOptions(value, label, NAMES)
  const env: RuntimeEnvSpec = {
    envVars: option(given, 'envVars', (_, vars) => envVarsOf(`${label}.envVars`, vars)) ?? {},
    workingDir: option(given, 'workingDir', (_, path) => pathText(`${label}.workingDir`, path)),
    npm: option(given, 'npm', (_, list) => npmList(`${label}.npm`, list)) ?? [],
    excludes: option(given, 'excludes', (_, list) => excludeList(`${label}.excludes`, list)) ?? [],
  }
  const asks = Object.keys(env.envVars).length + env.npm.length + env.excludes.length
  return asks === 0 && env.workingDir === undefined ? undefined : env
}

function envVarsOf(label: string, value: unknown): Readonly<Record<string, string>> {
  const vars: Record<string, string> = {}
  let sizeBytes = 0
  for (const [name, text] of Object.entries(plainObject(label, value))) {
    if (text === undefined) continue
    checkVariable(label, name, text)
    sizeBytes += Buffer.byteLength(name) + Buffer.byteLength(text) + 2
    if (sizeBytes > ENV_BYTES_MAX) {
      const text = `${label} is larger than ${ENV_BYTES_MAX} bytes in all: pass data as arguments or files`
      throw new InvalidEnvError(text, { data: { name } })
    }
    vars[name] = text
  }
  return sorted(vars)
}

function checkVariable(label: string, name: string, text: unknown): asserts text is string {
  const shown = clip(name, 64)
  const fail = (why: string): never => {
    throw new InvalidEnvError(`${label}.${shown} ${why}`, { data: { name: shown } })
  }
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
    fail('is no name of a variable: letters, digits and _ only, no digit first')
  }
  const denied = DENIED.find(([pattern]) => pattern.test(name.toUpperCase()))
  if (denied !== undefined) fail(`may not be set: ${denied[1]}`)
  if (typeof text !== 'string') {
    const type = typeof text === 'object' && text !== null ? classNameOf(text) : typeof text
    fail(`must be a string, got a value of type ${type}`)
  } else if (text.includes('\0')) fail('holds a NUL character, which no variable can')
}

function sorted(vars: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(vars).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

const pathText: Check<string> = (label, value) => {
  const good = typeof value === 'string' && value !== '' && !value.includes('\0')
  return good ? value : refuse(label, 'the path of a folder', value)
}

const NPM_SPEC = /^(?:@[a-z0-9~-][\w.~-]*\/)?[a-z0-9~-][\w.~-]*(?:@[\w.^~<>=|*+ -]+)?$/

const npmList: Check<readonly string[]> = listOf((label, value) => {
  const good = typeof value === 'string' && value.length <= 256 && NPM_SPEC.test(value)
  if (good) return value
  return refuse(label, "a package of the registry, 'name' or 'name@version'", value)
}, NPM_PACKAGES_MAX)

const excludeList: Check<readonly string[]> = listOf(pathText, EXCLUDES_MAX)
