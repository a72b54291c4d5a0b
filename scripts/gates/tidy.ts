// Tidy: the rules of style that no linter knows, each with its name. Rules about a file's text are
// below; those about packages are in packages.ts.
// Source: TigerBeetle src/tidy.zig (style as a test; a ban names what to do instead).
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { type GateResult, filesUnder, foldersOf } from './gate.ts'
import { packages } from './packages.ts'

const COLUMNS_MAX = 100
const HEADER_CHARACTERS_MIN = 20
const BANNED_NAMES = new Set(['utils', 'util', 'helpers', 'helper', 'misc', 'types', 'index'])
const ALLOWED_PATHS = new Set(['sdk/index.ts'])
/** The acceptance of the public types, kept word for word. */
const GIVEN_PATH = 'test/types/assert.ts'
/** `//   R1. …` of a file's header: cited as R1 elsewhere, so the letters belong to one file. */
const INVARIANT = /^\/\/   ([A-Z]+)\d+[a-z]?\. /gm

interface LineRule {
  readonly name: string
  readonly pattern: RegExp
  readonly advice: string
}

// Written in pieces where this file would otherwise refuse itself.
const LINE_RULES: readonly LineRule[] = [
  {
    name: 'no-fixme',
    pattern: new RegExp(String.raw`\b(FIX${''}ME|X${''}XX)\b`),
    advice: 'mend it before it is merged',
  },
  {
    name: 'todo-needs-issue',
    pattern: new RegExp(String.raw`\bTO${''}DO\b(?!\(#\d+\))`),
    advice: 'name the issue: TO' + 'DO(#12)',
  },
  {
    name: 'no-focused-or-skipped-test',
    pattern: /\b(?:it|test|describe|suite)\.(?:only|skip|skipIf|runIf|todo|fails)\b/,
    advice: 'every test runs: delete it or mend it; what a machine cannot run, support/where.ts',
  },
  {
    name: 'no-commented-out-code',
    pattern:
      /^\s*\/\/\s*(?:import [\w{*].* from '|(?:export )?(?:const|let|function|class) \w+.*[={(]|await \w+[.(].*\)$|return \w+\(.*\)$|if \(.*\) \{$|\}( else \{)?$)/,
    advice: 'delete it; git keeps it',
  },
  {
    name: 'suppression-needs-reason',
    pattern: /(?:oxlint|eslint)-disable(?!.* -- \w+)/,
    advice: "say why, after ' -- '",
  },
  {
    name: 'no-ts-ignore',
    pattern: new RegExp(`@ts-(?:ig${''}nore|noc${''}heck)|@ts-expect-error\\s*$`),
    advice: 'give it the right type; @ts-expect-error with a reason, in tests',
  },
]

export function tidy(root: string): Promise<GateResult> {
  const paths = foldersOf(root)
    .flatMap((folder) => filesUnder(root, folder))
    .filter((path) => /\.(?:[cm]?[jt]s)$/.test(path) && path !== GIVEN_PATH)
  const texts = paths.map((path) => [path, readFileSync(join(root, path), 'utf8')] as const)
  const problems = [...texts.flatMap(([path, text]) => problemsOf(path, text)), ...shared(texts)]
  const inPackages = packages(root)
  return Promise.resolve({
    gate: 'tidy',
    fileCount: paths.length,
    problems: [...problems, ...inPackages],
  })
}

/** Invariants of two files under the same letters: nobody can tell which is cited. */
function shared(texts: readonly (readonly [string, string])[]): string[] {
  const owners = new Map<string, string>()
  return texts.flatMap(([path, text]) => {
    if (path.startsWith('test/')) return []
    const letters = new Set([...text.matchAll(INVARIANT)].map(([, found = '']) => found))
    return [...letters].flatMap((letter) => {
      const owner = owners.get(letter) ?? path
      owners.set(letter, owner)
      const advice = `${owner} has invariants ${letter} too: take other letters`
      return owner === path ? [] : [`${path}:1: [invariant-letters] ${advice}`]
    })
  })
}

function problemsOf(path: string, text: string): string[] {
  const lines = text.split('\n')
  const problems = lines.flatMap((line, index) =>
    lineProblems(line).map((problem) => `${path}:${index + 1}: ${problem}`),
  )
  if (!hasHeader(lines)) problems.push(`${path}:1: [file-header] say in a comment what it is for`)
  const name = basename(path).replace(/\..*$/, '')
  if (BANNED_NAMES.has(name) && !ALLOWED_PATHS.has(path)) {
    problems.push(`${path}:1: [banned-file-name] '${name}' says nothing: name the thing in it`)
  }
  return problems
}

function lineProblems(line: string): string[] {
  const problems = LINE_RULES.filter(({ pattern }) => pattern.test(line)).map(
    ({ name, advice }) => `[${name}] ${advice}`,
  )
  if (line.length > COLUMNS_MAX && !isUnbreakable(line)) {
    problems.push(`[line-width] ${line.length} columns, at most ${COLUMNS_MAX}`)
  }
  return problems
}

/** Text that no line break can divide: an address, a regular expression, a long literal. */
const isUnbreakable = (line: string): boolean => /https?:\/\/|['"`/].{40,}['"`/]/.test(line)

function hasHeader(lines: readonly string[]): boolean {
  const first = lines[0]?.startsWith('#!') === true ? 1 : 0
  const opening = lines[first] ?? ''
  if (!/^(?:\/\/|\/\*)/.test(opening)) return false
  const comment = lines.slice(first).findIndex((line) => !/^(?:\/\/|\/\*| \*)/.test(line))
  const end = comment === -1 ? lines.length : first + comment
  const words = lines.slice(first, end).join(' ').replaceAll(/[/*]/g, '').trim()
  return words.length >= HEADER_CHARACTERS_MIN
}
