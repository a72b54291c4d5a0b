// Builds dist/, which is what users install: `npm run build [-- --clean]`.
//   sdk/index.ts            -> index.js, and types/ for the compiler
//   cli/main.ts             -> cli.js, the `virga` command
//   runtime/raylet/main.ts  -> raylet-main.js    } found beside index.js by the code
//   runtime/worker/main.ts  -> worker-main.js    } that starts these processes
// What a user's process may hold together, the SDK and the worker, shares its code: in one chunk
// beside them. The raylet and the command have their own: what all four share would be dozens of
// files, and each costs a worker's start about as much as parsing it.
// Wherever code lands, a file's import.meta.url points into dist/.
// Invariants:
//   BD1. Nothing changed since the last build: nothing is done (a hash of every input is kept).
//   BD2. A file of dist/ is replaced by rename, and an old chunk outlives its build for an hour:
//       a cluster that runs while somebody builds still finds what it imports. --clean, which
//       packing uses, leaves nothing old.
//   BD3. No entry awaits at top level, so that a CommonJS program can require() the package.
// Nothing is minified, so names stay readable; esbuild's keepNames is off on purpose, because it
// costs a defineProperty for every closure that a hot path makes.
// Types are not checked here (that is `npm run check`), so a build takes well under a second.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { build } from 'esbuild'
import { lazyBuiltins } from './lazy-builtins.ts'

const ROOT = dirname(import.meta.dirname)
const DIST = join(ROOT, 'dist')
const STAMP = join(DIST, '.stamp')
const SOURCE_FOLDERS = ['runtime', 'sdk', 'cli']
const OTHER_INPUTS = [
  'scripts/build.ts',
  'scripts/lazy-builtins.ts',
  'tsconfig.json',
  'tsconfig.build.json',
  'package.json',
]
const STALE_AFTER_MS = 3_600_000

type Entries = Readonly<Record<string, string>>

/** Those of one bundle share code. */
const BUNDLES: readonly Entries[] = [
  { index: 'sdk/index.ts', 'worker-main': 'runtime/worker/main.ts' },
  { 'raylet-main': 'runtime/raylet/main.ts' },
  { cli: 'cli/main.ts' },
]

async function main(): Promise<void> {
  const clean = process.argv.includes('--clean')
  const startedAtMs = performance.now()
  const digest = digestOfInputs()
  if (!clean && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === digest) return
  const bundles = BUNDLES.map(presentEntries)

  mkdirSync(join(ROOT, '.cache'), { recursive: true })
  const staging = mkdtempSync(join(ROOT, '.cache', 'build-'))
  try {
    if (bundles.some((entries) => 'index' in entries)) emitTypes(staging)
    for (const entries of bundles) await bundle(staging, entries)
    publish(staging, clean)
    writeFileSync(STAMP, digest)
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
  const tookMs = Math.round(performance.now() - startedAtMs)
  process.stdout.write(`Built dist/ in ${tookMs} ms.\n`)
}

function presentEntries(entries: Entries): Record<string, string> {
  const present = Object.entries(entries).filter(([, path]) => existsSync(join(ROOT, path)))
  const missing = Object.values(entries).filter((path) => !existsSync(join(ROOT, path)))
  if (missing.length > 0) process.stderr.write(`Not built, no such file: ${missing.join(', ')}\n`)
  return Object.fromEntries(present)
}

async function bundle(outdir: string, entries: Entries): Promise<void> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: { ...entries },
    plugins: [lazyBuiltins],
    outdir,
    chunkNames: 'chunk-[hash]',
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node22.18',
    sourcemap: true,
    sourcesContent: false,
    supported: { 'top-level-await': false }, // BD3: esbuild refuses it by file and line
    logLevel: 'warning',
  })
}

function emitTypes(outdir: string): void {
  const compiler = join(ROOT, 'node_modules/typescript7/bin/tsc')
  const flags = ['-p', 'tsconfig.build.json', '--outDir', join(outdir, 'types')]
  const { status, stdout } = spawnSync(process.execPath, [compiler, ...flags], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`Cannot write the package's types.\n${stdout}`)
  // The compiler leaves `.ts` in the imports of declarations; those files are not shipped.
  for (const path of filesUnder(join(outdir, 'types'))) {
    const text = readFileSync(path, 'utf8')
    writeFileSync(path, text.replaceAll(/(from |import\()(['"])(\.[^'"]+)\.ts\2/g, '$1$2$3.js$2'))
  }
}

function publish(staging: string, clean: boolean): void {
  mkdirSync(DIST, { recursive: true })
  const fresh = filesUnder(staging).map((path) => relative(staging, path))
  for (const path of fresh) {
    mkdirSync(dirname(join(DIST, path)), { recursive: true })
    renameSync(join(staging, path), join(DIST, path))
  }
  const command = join(DIST, 'cli.js')
  if (existsSync(command)) chmodSync(command, 0o755)
  const staleBeforeMs = clean ? Infinity : Date.now() - STALE_AFTER_MS
  const kept = new Set(fresh)
  for (const path of filesUnder(DIST)) {
    if (kept.has(relative(DIST, path))) continue
    if (statSync(path).mtimeMs < staleBeforeMs) rmSync(path)
  }
}

function digestOfInputs(): string {
  const hash = createHash('sha256')
  const sources = SOURCE_FOLDERS.flatMap((folder) => filesUnder(join(ROOT, folder)))
  for (const path of [...sources, ...OTHER_INPUTS.map((name) => join(ROOT, name))]) {
    hash.update(`${relative(ROOT, path)}\0`).update(readFileSync(path))
  }
  return hash.digest('hex')
}

function filesUnder(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
}

await main()
