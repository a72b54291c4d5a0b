// Every public name says what it is where an editor shows it: each overload of a function, each
// method of a class.
import { join } from 'node:path'
import ts from 'typescript'
import { expect, it } from 'vitest'

const INDEX = join(import.meta.dirname, '../../sdk/index.ts')

/** The public names, overloads and methods that have no documentation. */
function undocumented(): string[] {
  const program = ts.createProgram([INDEX], {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2024,
    allowImportingTsExtensions: true,
    noEmit: true,
  })
  const checker = program.getTypeChecker()
  const source = program.getSourceFile(INDEX)
  const module = source && checker.getSymbolAtLocation(source)
  if (module === undefined) throw new Error(`${INDEX} exports nothing`)
  const names = checker.getExportsOfModule(module).map((name) => resolved(checker, name))
  expect(names.length).toBeGreaterThan(80)
  return names.flatMap((name) => missingOf(checker, name)).sort()
}

function resolved(checker: ts.TypeChecker, symbol: ts.Symbol): ts.Symbol {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}

function missingOf(checker: ts.TypeChecker, symbol: ts.Symbol): string[] {
  const members =
    symbol.flags & ts.SymbolFlags.Class
      ? checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol)).filter(isOwnMethod)
      : []
  const missing = members.flatMap((member) =>
    missingOf(checker, member).map((name) => `${symbol.name}.${name}`),
  )
  return isDocumented(checker, symbol) ? missing : [symbol.name, ...missing]
}

/** A public method of ours: Error's own are documented elsewhere. */
function isOwnMethod({ name, flags, declarations = [] }: ts.Symbol): boolean {
  const isOurs = declarations.every((each) => !each.getSourceFile().isDeclarationFile)
  return isOurs && !name.startsWith('#') && (flags & ts.SymbolFlags.Method) !== 0
}

function isDocumented(checker: ts.TypeChecker, symbol: ts.Symbol): boolean {
  const signatures =
    symbol.flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Method)
      ? checker.getSignaturesOfType(checker.getTypeOfSymbol(symbol), ts.SignatureKind.Call)
      : []
  const documented = signatures.length > 0 ? signatures : [symbol]
  return documented.every((each) => each.getDocumentationComment(checker).length > 0)
}

it('every public name, overload and method is documented', () => {
  expect(undocumented()).toEqual([])
}, 60_000)
