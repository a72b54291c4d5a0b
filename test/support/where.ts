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
  // Reason: told by the caller, as a part of the name.
  it.skipIf(!can)(named(name, can, reason), run, limitMs)
}

/** The same of several. */
export function describeWhere(
  { can, reason }: { readonly can: boolean; readonly reason: string },
  name: string,
  define: () => void,
): void {
  // Reason: told by the caller, as a part of the name.
  describe.skipIf(!can)(named(name, can, reason), define)
}

const named = (name: string, can: boolean, reason: string): string =>
  can ? name : `${name} (not here: ${reason})`
