// The package as built keeps the 83 promises of assert.ts, seen by a user with strict flags.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT, TYPES_ENTRY, compileAsUser } from './compile.ts'

test('the types in dist/ keep all 83 promises', () => {
  expect(existsSync(join(ROOT, TYPES_ENTRY)), 'no types in dist/: npm run build').toBe(true)
  const { problems, emitted, read } = compileAsUser('test/types/assert.ts')
  expect(problems).toEqual([])
  expect(read.filter((path) => path.startsWith('dist/')).length).toBeGreaterThan(0)
  expect(read.filter((path) => /^(sdk|runtime)\//.test(path))).toEqual([])
  expect(emitted.get('out/test/types/assert.d.ts')).toContain('export declare const Exported')
}, 120_000)

test('the declarations of a user package name only virga', () => {
  const { problems, emitted } = compileAsUser('test/types/user-package.ts')
  expect(problems).toEqual([])
  const text = emitted.get('out/test/types/user-package.d.ts') ?? ''
  const names = [...text.matchAll(/(?:from|import\() ?['"]([^'"]+)['"]/g)].map((found) => found[1])
  expect(new Set(names)).toEqual(new Set(['virga']))
}, 120_000)
