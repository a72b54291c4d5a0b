// The public types keep the 83 promises of assert.ts, seen by a user with strict flags.
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { ROOT, TYPES_ENTRY, compileAsUser, emitDeclarations } from './compile.ts'

const fixture = 'test/types/surface-fixture'
let dist: Map<string, string>

beforeAll(() => {
  const { problems, emitted } = emitDeclarations(`${fixture}.ts`)
  expect(problems).toEqual([])
  dist = new Map(emitted)
  const path = relative(dirname(TYPES_ENTRY), `dist/${fixture}.js`)
  dist.set(TYPES_ENTRY, `export * from '${path.startsWith('.') ? path : `./${path}`}'\n`)
}, 120_000)

test('the types of surface.ts alone keep all 83 promises', () => {
  const text = readFileSync(join(ROOT, 'test/types/assert.ts'), 'utf8')
  expect(text.match(/@ts-expect-error \d+/g)?.length).toBe(33)
  const { problems, emitted, read } = compileAsUser('test/types/assert.ts', dist)
  expect(problems).toEqual([])
  expect(read).toContain('dist/runtime/common/surface.d.ts')
  expect(emitted.get('out/test/types/assert.d.ts')).toContain('export declare const Exported')
}, 120_000)

test('a broken promise is seen: this gate can fail', () => {
  const broken = new Map(dist)
  const path = 'dist/runtime/common/surface-refs.d.ts'
  broken.set(path, (dist.get(path) ?? '').replace('T | ObjectRef<T>', 'unknown'))
  const { problems } = compileAsUser('test/types/assert.ts', broken)
  expect(problems.length).toBeGreaterThan(0)
}, 120_000)

test('the declarations of a user package can be emitted and name only virga', () => {
  const { problems, emitted } = compileAsUser('test/types/user-package.ts', dist)
  expect(problems).toEqual([])
  const text = emitted.get('out/test/types/user-package.d.ts') ?? ''
  const names = [...text.matchAll(/(?:from|import\() ?['"]([^'"]+)['"]/g)].map((found) => found[1])
  expect(new Set(names)).toEqual(new Set(['virga']))
  expect(text).toContain('Counter: import("virga").RemoteClass<[], {')
}, 120_000)
