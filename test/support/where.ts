// Tests that only some machines, or some runs, can have: elsewhere the runner is told why.
import { describe, it } from 'vitest'

export const HAS_PROC = process.platform === 'linux'

interface Where {
  readonly can: boolean
  /** Why not elsewhere. */
  readonly reason: string
}

/** A test that runs where it can. */
export function itWhere(
  { can, reason }: Where,
  name: string,
  run: () => Promise<void> | void,
  limitMs?: number,
): void {
  if (can) it(name, run, limitMs)
  else leaveOut(name, reason)
}

/** The same of several, which are listed one by one where they cannot run (left-out.ts). */
export function describeWhere({ can, reason }: Where, name: string, define: () => void): void {
  const shown = can ? name : `${name} (not here: ${reason})`
  describe(shown, { skip: !can }, define)
}

/** One test, in the place of those that cannot even be listed here. */
export function leaveOut(name: string, reason: string): void {
  it(name, ({ skip }) => {
    skip(reason)
  })
}
