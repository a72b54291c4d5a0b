// The types gate refuses what each strictness flag of tsconfig.json is there for.
import { typeCheck } from '../../scripts/gates/type-check.ts'
import { gateCases } from './gate-cases.ts'

gateCases('types', typeCheck, [
  {
    rule: 'TS2322', // strict
    path: 'runtime/raylet/wrong-type.ts',
    text: "export const count: number = 'one'\n",
  },
  {
    rule: 'TS2532', // noUncheckedIndexedAccess
    path: 'runtime/raylet/unchecked-index.ts',
    text: 'export const first = (counts: number[]): string => counts[0].toFixed()\n',
  },
  {
    rule: 'TS2375', // exactOptionalPropertyTypes
    path: 'runtime/raylet/inexact-optional.ts',
    text: 'export const options: { name?: string } = { name: undefined }\n',
  },
  {
    rule: 'TS4111', // noPropertyAccessFromIndexSignature
    path: 'runtime/raylet/dotted-index.ts',
    text: 'export const port = (env: Record<string, string>): unknown => env.PORT\n',
  },
  {
    rule: 'TS4114', // noImplicitOverride
    path: 'runtime/raylet/implicit-override.ts',
    text: 'class A {\n  run(): void {}\n}\nexport class B extends A {\n  run(): void {}\n}\n',
  },
  {
    rule: 'TS1294', // erasableSyntaxOnly
    path: 'runtime/raylet/enumeration.ts',
    text: 'export enum State {\n  Alive,\n}\n',
  },
  {
    rule: 'TS1484', // verbatimModuleSyntax
    path: 'runtime/raylet/value-import.ts',
    text: "import { Clock } from '../common/clock.ts'\nexport type Time = Clock\n",
  },
  {
    rule: 'TS6133', // noUnusedLocals
    path: 'runtime/raylet/unused.ts',
    text: 'const unused = 1\nexport const used = 2\n',
  },
  {
    rule: 'TS7029', // noFallthroughCasesInSwitch
    path: 'runtime/raylet/fall-through.ts',
    text: 'export function f(n: number): number {\n  let m = n\n  switch (n) {\n    case 1:\n      m++\n    default:\n      m--\n  }\n  return m\n}\n',
  },
  {
    rule: 'TS7030', // noImplicitReturns
    path: 'test/unit/implicit-return.ts',
    text: 'export function f(n: number): number | undefined {\n  if (n > 1) return n\n}\n',
  },
])
