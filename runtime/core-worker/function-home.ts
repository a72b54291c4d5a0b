// Which module a call of remote() belongs to: its home, the module that a worker imports.
//   findHome(skipFrames): CallSite       the home of whoever called, as a file URL
//   homeOf(frames): CallSite | undefined the same for given frames (pure)
// Rules:
//   FH1. Virga's own frames are skipped by count, never by file: a user's bundle may contain both.
//   FH2. Of the frames that remain, the first run of user frames decides; frames of Node, tsx,
//       vite and vitest end it. Native frames (Array.map, eval) have no file and are no end.
//   FH3. In that run the outermost frame wins, so a helper that calls remote() for others is never
//       the home. Frames of packages count only where there is no other: a test runner below the
//       user's code is no home.
//   FH4. Code without a file (REPL, -e, standard input) at the outer end: there is no home.
import { fileURLToPath, pathToFileURL } from 'node:url'
import { getCallSites } from 'node:util'
import { UsageError } from '../common/errors.ts'

/** More frames than any module's top level is deep. */
const FRAMES_MAX = 100

export interface Frame {
  readonly scriptName: string
  readonly lineNumber: number
  readonly columnNumber: number
}

/** Line and column are 1-based, of the code that runs: not of the source, under a transformer. */
export interface CallSite {
  readonly home: string
  readonly line: number
  readonly column: number
}

/**
 * The home of the code that called into Virga.
 * @param skipFrames  how many frames of Virga lie between this call and the user's code.
 * @throws UsageError when that code has no file: REPL, `node -e`, standard input.
 */
export function findHome(skipFrames: number): CallSite {
  const frames = getCallSites(FRAMES_MAX, { sourceMap: false }).slice(skipFrames + 1)
  const site = homeOf(frames)
  if (site !== undefined) return site
  throw new UsageError(
    'remote() was called by code that is in no file (REPL, node -e or standard input), so there ' +
      'is no module that a worker could import. Put the function into a file and import it.',
  )
}

/** FH2 to FH4, as a pure function of the frames, innermost first. */
export function homeOf(frames: readonly Frame[]): CallSite | undefined {
  const run = firstRun(frames)
  const outermost = run.at(-1)
  if (outermost === undefined || isEvaluated(outermost.scriptName)) return undefined
  const own = run.findLast((frame) => !frame.scriptName.includes('/node_modules/')) ?? outermost
  const home = normalizeHome(own.scriptName)
  if (home === undefined) return undefined
  return { home, line: own.lineNumber, column: own.columnNumber }
}

function firstRun(frames: readonly Frame[]): Frame[] {
  const run: Frame[] = []
  for (const frame of frames) {
    if (frame.scriptName === '') continue
    if (!isForeign(frame.scriptName)) run.push(frame)
    else if (run.length > 0) return run
  }
  return run
}

const FOREIGN = /\/node_modules\/(?:tsx|vite|vitest|vite-node|@vitest\/[^/]+)\//

function isForeign(scriptName: string): boolean {
  return scriptName.startsWith('node:') || FOREIGN.test(scriptName)
}

/**
 * `[eval]`, `[stdin]`, `[eval]-wrapper`, `file:///cwd/[eval1]`, `REPL1`, `evalmachine.<anonymous>`.
 */
function isEvaluated(scriptName: string): boolean {
  return /(?:^|\/)(?:\[(?:eval|stdin)[^/]*|REPL\d+|evalmachine\.<anonymous>)$/.test(scriptName)
}

/** Suffixes that vite, vitest and tsx add to the URL of the same module. */
const LOADER_QUERY = /^(?:v=[0-9a-f]{8}|t=\d+|import|vitest=.*|(?:tsx-)?namespace=.*)$/

/**
 * One spelling for a module: a file URL, without the suffixes that loaders add.
 * A query of the user's own stays: it makes another module.
 * @param scriptName  a file URL or an absolute path, as a frame has it.
 * @returns undefined for what is no file (`data:`, `https:`, a made-up name).
 */
export function normalizeHome(scriptName: string): string | undefined {
  const url = toUrl(scriptName)
  if (url === undefined) return undefined
  const kept = url.search
    .slice(1)
    .split('&')
    .filter((part) => part !== '' && !LOADER_QUERY.test(part))
  url.search = kept.join('&')
  url.hash = ''
  return url.href
}

function toUrl(scriptName: string): URL | undefined {
  if (scriptName.startsWith('file:')) return URL.parse(scriptName) ?? undefined
  if (!scriptName.startsWith('/')) return undefined
  const queryAt = scriptName.indexOf('?')
  if (queryAt < 0) return pathToFileURL(scriptName)
  const url = pathToFileURL(scriptName.slice(0, queryAt))
  url.search = scriptName.slice(queryAt)
  return url
}

/** The path of a home, without its query. */
export function homePath(home: string): string {
  return fileURLToPath(home)
}
