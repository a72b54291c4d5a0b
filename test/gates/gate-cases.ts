// What every gate is held to: it passes the legal tree having read files, refuses each planted
// violation under the violation's own name, and fails on a tree in which it finds nothing.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Gate, type GateResult, judge } from '../../scripts/gates/gate.ts'
import { LEGAL, type Violation, plant, plantAll, rulesAgainst, uproot } from './planted-tree.ts'

export function gateCases(name: string, gate: Gate, violations: readonly Violation[]): void {
  const roots: string[] = []
  const run = async (root: string): Promise<GateResult> => {
    roots.push(root)
    return judge(await gate(root))
  }
  let planted: GateResult

  beforeAll(async () => {
    planted = await run(plantAll(violations))
  })
  afterAll(() => {
    roots.forEach(uproot)
  })

  test(`${name} passes a legal tree and says how many files it read`, async () => {
    const { problems, fileCount } = await run(plant(LEGAL))
    expect(problems).toEqual([])
    expect(fileCount).toBeGreaterThanOrEqual(6)
  })

  test(`${name} fails when it reads no file`, async () => {
    const { problems, fileCount } = await run(plant({ 'tsconfig.json': '{ "files": [] }' }))
    expect(fileCount).toBe(0)
    expect(problems[0]).toContain(`[${name}-read-nothing]`)
  })

  test.each(violations)(`${name} refuses $rule in $path`, ({ rule, path }) => {
    expect(rulesAgainst(planted.problems, path)).toContain(rule)
  })
}
