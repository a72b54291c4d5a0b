// Tests that only some machines can run: elsewhere they are skipped, with the reason in their name.
import { describe, it } from 'vitest'

export const HAS_PROC = process.platform === 'linux'

/** A test that runs where `can`. @param reason  why not elsewhere. */
export function itWhere(
  { can, reason }: { readonly can: boolean; readonly reason: string },
  name: string,
  run: () => Promise<void> | void,
  limitMs?: number,
): void {
  it.skipIf(!can)(named(name, can, reason), run, limitMs) // Reason: the caller's, in the name.
}

/** The same of several. */
export function describeWhere(
  { can, reason }: { readonly can: boolean; readonly reason: string },
  name: string,
  define: () => void,
): void {
  describe.skipIf(!can)(named(name, can, reason), define) // Reason: the caller's, in the name.
}

const named = (name: string, can: boolean, reason: string): string =>
  can ? name : `${name} (not here: ${reason})`
