// What home modules are made of, hashed once per process: what proves that driver and worker
// mean the same function, and where the name of an arrow function's variable stands.
//   new Sources({ read, hash })    read: function-source-file.ts; hash: common/random-system.ts
//   sources.capture(home)          take its hash now
//   sources.noteHash(url, sha)     a loader that already has the hash of what it loaded says so
// Invariants:
//   FS1. The hash of a home is taken once, so an edit while the program runs changes no identity.
import type { Hash } from '../common/random.ts'
import { homeOf, normalizeHome } from './function-home.ts'
import type { Frame } from './function-home.ts'

/** The bytes of a home's file, or undefined when there is no file any more. */
export type ReadHome = (home: string) => Uint8Array | undefined

/** Where a call of remote() stands. */
export interface Position {
  readonly home: string
  readonly line: number
  readonly column: number
  readonly site: Error
}

/** How far above the call its variable may be declared. */
const DECLARATION_CHARS_MAX = 300

export class Sources {
  readonly #read: ReadHome
  readonly #hash: Hash
  /** Both bounded by the modules loaded, and the functions in them. */
  readonly #hashes = new Map<string, string>()
  readonly #identities = new Map<string, string>()
  /** Names of one home are asked for together; a bundle's text is too large to keep. */
  #lastText: { readonly home: string; readonly text: string } | undefined

  constructor(ports: { readonly read: ReadHome; readonly hash: Hash }) {
    this.#read = ports.read
    this.#hash = ports.hash
  }

  /** SHA-256, as hex, over the hash of the home's bytes and `salt`. */
  hashOf(home: string, salt: string): string {
    const key = `${home}\0${salt}`
    const known = this.#identities.get(key)
    if (known !== undefined) return known
    const made = this.#sha256(Buffer.from(`${this.#homeHash(home)}\0${salt}`))
    this.#identities.set(key, made)
    return made
  }

  /** The hash of the bytes that a URL was loaded from; the first one told or read stays (FS1). */
  noteHash(url: string, sha256Hex: string): void {
    const home = normalizeHome(url) ?? url
    if (!this.#hashes.has(home)) this.#hashes.set(home, sha256Hex)
  }

  /**
   * Where a call of remote() is written, and the variable or property that it is assigned to, if
   * the source shows one.
   */
  writtenAt(position: Position): { readonly line: number; readonly variable: string | undefined } {
    const { line, column } = positionInSource(position)
    return { line, variable: nameBefore(this.#text(position.home), line, column) }
  }

  /** Take the hash of a home now, unless it was taken. */
  capture(home: string): void {
    this.#homeHash(home)
  }

  #homeHash(home: string): string {
    const known = this.#hashes.get(home)
    if (known !== undefined) return known
    const bytes = this.#read(home)
    const taken = bytes === undefined ? 'no such file' : this.#sha256(bytes)
    this.#hashes.set(home, taken)
    return taken
  }

  #text(home: string): string {
    if (this.#lastText?.home !== home) {
      const text = Buffer.from(this.#read(home) ?? []).toString('utf8')
      this.#lastText = { home, text }
    }
    return this.#lastText.text
  }

  #sha256(bytes: Uint8Array): string {
    return Buffer.from(this.#hash.sha256(bytes)).toString('hex')
  }
}

/**
 * Under tsx and vitest the code that runs is not the source; they map the stacks of errors, so the
 * stack has the place in the source. Elsewhere both are the same.
 */
function positionInSource(position: Position): { line: number; column: number } {
  const frames = (position.site.stack ?? '').split('\n').flatMap((line): Frame[] => {
    const match = /(?:\(|at (?:async )?)((?:file:|node:|\/)[^()]*):(\d+):(\d+)\)?$/.exec(line)
    if (match === null) return []
    const [, scriptName = '', lineNumber, columnNumber] = match
    return [{ scriptName, lineNumber: Number(lineNumber), columnNumber: Number(columnNumber) }]
  })
  const first = frames.findIndex((frame) => normalizeHome(frame.scriptName) === position.home)
  const written = first < 0 ? undefined : homeOf(frames.slice(first))
  return written?.home === position.home ? written : position
}

const IDENTIFIER = '[\\p{ID_Start}$_][\\p{ID_Continue}$]*'
const RECEIVER = `(?:await\\s+)?(?:${IDENTIFIER}\\s*\\.\\s*)*$`
/** `const f: (x: number) => number = ` and the like, up to the call. */
const DECLARED = new RegExp(
  `(?:const|let|var)\\s+(${IDENTIFIER})\\s*(?::(?:[^;=]|=>)*)?=\\s*${RECEIVER}`,
  'u',
)
/** `exports.f = `, `{ f: `, `static f = `; not the type in `f: T = `. */
const ASSIGNED = new RegExp(`(?<!:\\s*)\\b(${IDENTIFIER})\\s*[=:]\\s*${RECEIVER}`, 'u')
const CALLED = new RegExp(`^${IDENTIFIER}\\s*[(<]`, 'u')

function nameBefore(text: string, line: number, column: number): string | undefined {
  let start = 0
  for (let seen = 1; seen < line; seen++) {
    const next = text.indexOf('\n', start)
    if (next < 0) return undefined
    start = next + 1
  }
  const at = start + column - 1
  if (!CALLED.test(text.slice(at, at + 200))) return undefined
  const before = text.slice(Math.max(0, at - DECLARATION_CHARS_MAX), at)
  return (DECLARED.exec(before) ?? ASSIGNED.exec(before))?.[1]
}
