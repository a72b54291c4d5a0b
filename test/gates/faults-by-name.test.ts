// Every fault of the catalogue that this version must survive has a test that says so by its id;
// one that a machine has skipped is told apart from one that has run (support/left-out.ts).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { filesUnder } from '../../scripts/gates/gate.ts'
import { faultsLeftOut } from '../support/left-out.ts'

const ROOT = join(import.meta.dirname, '../..')
/** In the title of a test: what a comment cites proves nothing. */
const TITLE = /\b(?:it|test|describe)(?:\.\w+(?:\([^)]*\))?)*\(\s*['"`]([^'"`]*)/g

const range = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `F${String(from + index).padStart(2, '0')}`)

it('F01-F42 and F70-F73 each have a test by their name', () => {
  const files = filesUnder(ROOT, 'test').filter(
    (path) => path.endsWith('.test.ts') || path.endsWith('-contract.ts'),
  )
  expect(files.length).toBeGreaterThan(100)
  const texts = files.map((path) => readFileSync(join(ROOT, path), 'utf8'))
  const titles = texts.flatMap((text) => [...text.matchAll(TITLE)].map(([, title = '']) => title))
  const named = new Set(titles.flatMap((title) => title.match(/\bF\d\d\b/g) ?? []))
  expect([...range(1, 42), ...range(70, 73)].filter((id) => !named.has(id))).toEqual([])
})

it('a fault whose every test was skipped counts as not tested, whatever its title says', () => {
  const skipped = (fullName: string) => ({ fullName, wasSkipped: true })
  const ran = (fullName: string) => ({ fullName, wasSkipped: false })
  const tests = [
    skipped('three nodes > F16: one way'),
    skipped('F13, F24: slow'),
    ran('F24: elsewhere'),
    skipped('nothing of the catalogue'),
  ]
  expect(faultsLeftOut(tests)).toEqual(['F13', 'F16'])
})
