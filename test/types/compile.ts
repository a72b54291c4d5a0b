// Compiles a file of this folder as a user would, with `virga` found by the package's own name,
// and reports what the compiler says and emits. The files of dist/ may be given in memory.
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'

export const ROOT = join(import.meta.dirname, '../..')

export interface Compiled {
  /** One line per diagnostic: `file:line: text`. */
  readonly problems: readonly string[]
  /** Emitted declarations by path from the root. */
  readonly emitted: ReadonlyMap<string, string>
  /** Paths of the files read for the name `virga`, from the root. */
  readonly read: readonly string[]
}

interface Manifest {
  readonly exports: { readonly '.': { readonly types: string } }
}

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest

/** Where the package says its types are, from the root. */
export const TYPES_ENTRY = join(manifest.exports['.'].types)

/** The strict flags of a careful user, and of the promise that is tested. */
const USER_OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  lib: ['lib.esnext.d.ts', 'lib.dom.d.ts'],
  types: [],
  strict: true,
  noUncheckedIndexedAccess: true,
  exactOptionalPropertyTypes: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitOverride: true,
  verbatimModuleSyntax: true,
  declaration: true,
  emitDeclarationOnly: true,
  skipLibCheck: false,
  rootDir: ROOT,
  outDir: join(ROOT, 'out'),
}

/**
 * Compile one file as a user's program.
 * @param dist  files that stand in for those of dist/, by path from the root.
 */
export function compileAsUser(file: string, dist?: ReadonlyMap<string, string>): Compiled {
  return compile(file, USER_OPTIONS, dist)
}

/** Emit the declarations of a module of this repository, as the build does. */
export function emitDeclarations(file: string): Compiled {
  const options: ts.CompilerOptions = {
    ...USER_OPTIONS,
    types: ['node'],
    lib: ['lib.es2024.d.ts', 'lib.esnext.disposable.d.ts'],
    rewriteRelativeImportExtensions: true,
    skipLibCheck: true,
    outDir: join(ROOT, 'dist'),
  }
  return compile(file, options)
}

function compile(
  file: string,
  options: ts.CompilerOptions,
  overlay?: ReadonlyMap<string, string>,
): Compiled {
  const host = overlay === undefined ? ts.createCompilerHost(options) : overlaid(options, overlay)
  const program = ts.createProgram([join(ROOT, file)], options, host)
  const emitted = new Map<string, string>()
  const { diagnostics } = program.emit(undefined, (path, text) => {
    emitted.set(relative(ROOT, path), text)
  })
  const problems = [...ts.getPreEmitDiagnostics(program), ...diagnostics].map(lineOf)
  const read = program.getSourceFiles().map((source) => relative(ROOT, source.fileName))
  return { problems, emitted, read }
}

function overlaid(
  options: ts.CompilerOptions,
  overlay: ReadonlyMap<string, string>,
): ts.CompilerHost {
  const host = ts.createCompilerHost(options)
  const inDist = (path: string): boolean => /^dist(\/|$)/.test(relative(ROOT, path))
  const find = (path: string): string | undefined => overlay.get(relative(ROOT, path))
  return {
    ...host,
    fileExists: (path) => (inDist(path) ? find(path) !== undefined : host.fileExists(path)),
    readFile: (path) => (inDist(path) ? find(path) : host.readFile(path)),
    directoryExists: (path) => inDist(path) || (host.directoryExists?.(path) ?? true),
    getSourceFile: (path, languageVersion) => {
      const text = inDist(path) ? find(path) : host.readFile(path)
      return text === undefined ? undefined : ts.createSourceFile(path, text, languageVersion)
    },
  }
}

function lineOf(diagnostic: ts.Diagnostic): string {
  const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, '\n')
  if (diagnostic.file === undefined) return text
  const { line } = diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start ?? 0)
  return `${relative(ROOT, diagnostic.file.fileName)}:${line + 1}: ${text}`
}
