// Clusters of several nodes come to rest: see rest.ts. An owner that never takes back what it lent
// is seen.
import { expect, test } from 'vitest'
import { Borrowers } from '../../../runtime/core-worker/borrowers.ts'
import { expectEndedWell } from '../ended-well.ts'
import { swap } from '../planted-bugs.ts'
import type { PartName } from './plan.ts'
import { runNodesSeed } from './run.ts'

const CASES: readonly [number, readonly PartName[]][] = [
  [300_001, []],
  [300_002, ['orphans']],
  [300_002, ['actors']],
  [300_002, ['groups']],
]

test.each(CASES)(
  'I4, I5: at rest nothing is held, and once drivers have left nothing is there, seed %i with %j',
  { timeout: 300_000 },
  async (seed, parts) => {
    const result = await runNodesSeed(seed, { parts, rests: true })
    expectEndedWell(result, '--nodes', '--rests', '--parts', parts.join())
  },
)

test(
  'an owner that never takes back what it lent is seen at rest',
  { timeout: 300_000 },
  async () => {
    const plant = (): (() => void) => swap(Borrowers.prototype, 'release', () => () => undefined)
    const { failure } = await runNodesSeed(300_002, { parts: ['orphans'], rests: true, plant })
    expect(failure?.message).toContain('I5: left at rest')
  },
)
