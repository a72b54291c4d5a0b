// The tidy gate refuses each rule of style and of package.json by its name. Banned marks are
// written in pieces, so that the gate does not refuse this file.
import { afterAll, expect, test } from 'vitest'
import { tidy } from '../../scripts/gates/tidy.ts'
import { gateCases } from './gate-cases.ts'
import { type Files, LEGAL, plant, uproot } from './planted-tree.ts'

const HEADER = '// A planted file that breaks one rule of the tidy gate.\n'

gateCases('tidy', tidy, [
  {
    rule: 'no-fixme',
    path: 'runtime/raylet/fixme.ts',
    text: `${HEADER}// FIX${'ME'}: later\nexport const one = 1\n`,
  },
  {
    rule: 'todo-needs-issue',
    path: 'runtime/raylet/todo.ts',
    text: `${HEADER}// TO${'DO'}: later\nexport const one = 1\n`,
  },
  {
    rule: 'no-focused-or-skipped-test',
    path: 'test/unit/focused.test.ts',
    text: `${HEADER}test.${'only'}('one', () => {})\n`,
  },
  {
    rule: 'no-focused-or-skipped-test',
    path: 'test/unit/skipped.test.ts',
    text: `${HEADER}describe.${'skip'}('one', () => {})\n`,
  },
  {
    rule: 'no-focused-or-skipped-test',
    path: 'test/unit/conditional.test.ts',
    text: `${HEADER}const a = 1\ntest.${'skipIf'}(a)('one', () => {})\n`,
  },
  {
    rule: 'no-commented-out-code',
    path: 'runtime/raylet/dead.ts',
    text: `${HEADER}export const one = 1\n  //const ${'two'} = f(2)\n`,
  },
  {
    rule: 'suppression-needs-reason',
    path: 'runtime/raylet/suppressed.ts',
    text: `${HEADER}// ox${'lint'}-disable-next-line no-console\nconsole.log(1)\n`,
  },
  {
    rule: 'no-ts-ignore',
    path: 'runtime/raylet/ignores.ts',
    text: `${HEADER}// @ts-${'ignore'}\nexport const one: string = 1\n`,
  },
  {
    rule: 'invariant-letters',
    path: 'runtime/raylet/second.ts',
    text: `${HEADER}//   ZZ1. One.\nexport const two = 2\n`,
    beside: { 'runtime/raylet/first.ts': `${HEADER}//   ZZ1. Another.\nexport const one = 1\n` },
  },
  {
    rule: 'line-width',
    path: 'runtime/raylet/wide.ts',
    text: `${HEADER}// ${'wide '.repeat(20)}\n`,
  },
  { rule: 'file-header', path: 'runtime/raylet/headless.ts', text: 'export const one = 1\n' },
  {
    rule: 'file-header',
    path: 'runtime/raylet/curt.ts',
    text: '// Does it.\nexport const one = 1\n',
  },
  ...['utils', 'helpers', 'misc', 'types', 'index'].map((name) => ({
    rule: 'banned-file-name',
    path: `runtime/raylet/${name}.ts`,
    text: `${HEADER}export const one = 1\n`,
  })),
])

const roots: string[] = []
afterAll(() => {
  roots.forEach(uproot)
})

const inPackage = (fields: object): Files => ({
  'package.json': JSON.stringify({ dependencies: { koffi: '3.3.4' }, ...fields }),
})

test.each<[rule: string, files: Files]>([
  ['exact-versions', inPackage({ dependencies: { koffi: '^3.3.4' } })],
  ['exact-versions', inPackage({ devDependencies: { koffi: 'latest' } })],
  ['no-registry-host', inPackage({ scripts: { get: `npm ci --reg${'istry'}=x` } })],
  ['no-registry-host', { 'package-lock.json': '{ "resolved": "http://host/a.tgz" }' }],
  ['unused-dependency', inPackage({ dependencies: { koffi: '3.3.4', idle: '1.0.0' } })],
  ['unused-dependency', inPackage({ devDependencies: { idle: '1.0.0' } })],
  ['unused-dependency', inPackage({ peerDependencies: { idle: '1.0.0' } })],
  ['dependency-needs-decision', { 'DECISIONS.md': '# Decisions\n' }],
])('tidy refuses %s in what describes the packages', async (rule, files) => {
  const root = plant({ ...LEGAL, ...files })
  roots.push(root)
  const { problems } = await tidy(root)
  expect(problems.map((problem) => /\[([^\]]+)\]/.exec(problem)?.[1])).toContain(rule)
})

test('tidy refuses a lockfile that is missing', async () => {
  const { 'package-lock.json': _, ...unlocked } = LEGAL
  const root = plant(unlocked)
  roots.push(root)
  const { problems } = await tidy(root)
  expect(problems).toEqual(['package-lock.json: [lockfile] is missing: run npm install'])
})
