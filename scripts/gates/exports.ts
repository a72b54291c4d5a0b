// Exports: what a module offers is used by another one. An export that the program never uses is
// dead, whatever its tests say; a value that only its own file uses, and no test, is no export.
// The public surface (all that sdk/index.ts passes on) is used by whoever installs the package.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type GateResult, filesUnder, foldersOf } from './gate.ts'

const DECLARED =
  /^export (?:declare )?(?:abstract )?(?:async )?(function\*?|class|const|let|type|interface) (\w+)/gm
const FROM = /^(?:import|export) (?:type )?(?:\{([^}]*)\}|\*(?: as \w+)?) from '(\.[^']+)'/gm
const IMPORTED_LATER = /import\('(\.[^']+)'\)/g
const SURFACE = 'sdk/index.ts'
/** Built before the parts that will use it: only its tests do until then. */
const AHEAD = [
  'runtime/gcs/actors.ts',
  'runtime/gcs/bodies.ts',
  'runtime/gcs/body-store-',
  'runtime/gcs/demand.ts',
  'runtime/gcs/jobs.ts',
  'runtime/gcs/nodes.ts',
  'runtime/gcs/object-locations.ts',
]

interface Export {
  readonly path: string
  readonly line: number
  readonly name: string
  readonly isType: boolean
}

export function unusedExports(root: string): Promise<GateResult> {
  const texts = new Map(
    foldersOf(root)
      .flatMap((folder) => filesUnder(root, folder))
      .filter((path) => /\.[cm]?tsx?$/.test(path))
      .map((path) => [path, readFileSync(join(root, path), 'utf8')]),
  )
  const program = [...texts].filter(([path]) => !path.startsWith('test/'))
  const tests = [...texts].filter(([path]) => path.startsWith('test/'))
  const imported = importsOf(program)
  const tested = importsOf(tests)
  const problems = program
    .filter(([path]) => path !== SURFACE && !AHEAD.some((folder) => path.startsWith(folder)))
    .filter(([path]) => imported.get(path)?.has('*') !== true)
    .flatMap(([path, text]) => exportsOf(path, text))
    .filter(({ path, name }) => imported.get(path)?.has(name) !== true)
    .flatMap((each) => problemOf(each, texts.get(each.path) ?? '', tested))
  return Promise.resolve({ gate: 'exports', fileCount: texts.size, problems })
}

function problemOf(
  { path, line, name, isType }: Export,
  text: string,
  tested: ReadonlyMap<string, ReadonlySet<string>>,
): string[] {
  const usedHere = [...text.matchAll(new RegExp(`\\b${name}\\b`, 'g'))].length > 1
  if (!usedHere) return [`${path}:${line}: [dead-export] nothing uses ${name}: delete it`]
  if (isType || tested.get(path)?.has(name) === true) return []
  return [`${path}:${line}: [needless-export] only this file uses ${name}: drop the export`]
}

function exportsOf(path: string, text: string): Export[] {
  return [...text.matchAll(DECLARED)].map(({ 1: kind = '', 2: name = '', index }) => {
    const line = text.slice(0, index).split('\n').length
    return { path, line, name, isType: kind === 'type' || kind === 'interface' }
  })
}

/** The names that these files import, by the file that has them; `*`: all of them. */
function importsOf(files: readonly (readonly [string, string])[]): Map<string, Set<string>> {
  const imports = new Map<string, Set<string>>()
  for (const [path, text] of files) {
    const add = (from: string, names: readonly string[]): void => {
      const target = join(path, '..', from)
      imports.set(target, new Set([...(imports.get(target) ?? []), ...names]))
    }
    for (const { 1: list, 2: from = '' } of text.matchAll(FROM)) {
      add(from, list === undefined ? ['*'] : namesIn(list))
    }
    for (const { 1: from = '' } of text.matchAll(IMPORTED_LATER)) add(from, ['*'])
  }
  return imports
}

/** `type A, B as C`: A and B. */
const namesIn = (list: string): string[] =>
  list.split(',').flatMap((item) => /^\s*(?:type )?(\w+)/.exec(item)?.[1] ?? [])
