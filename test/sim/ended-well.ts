// What a test says of a seed that failed: what was broken, and the command that plays it again.
import { expect } from 'vitest'
import type { RunResult } from './run.ts'

/** @param flags  of that command, beside the seed: `--nodes`, `--faultless`. */
export function expectEndedWell({ seed, failure }: RunResult<unknown>, ...flags: string[]): void {
  if (failure === undefined) return
  const command = ['npm run sim --', ...flags, '--seed', String(seed)].join(' ')
  expect.fail(`seed ${String(seed)}: ${failure.message}\nSee it again: ${command}`)
}
