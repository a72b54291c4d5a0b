// How the drivers that read what others own come by refs of it: a task on some node lends them.
import { INLINE_BYTES_MAX } from '../../../runtime/common/limits.ts'
import { get } from '../../../sdk/index.ts'
import type { Draw } from '../draw.ts'
import type { Doing } from '../workload.ts'
import type { PartHost } from './program.ts'
import { lendAll, type Lent } from './workload.ts'

const LARGE_BYTES_MAX = 300 * 1024

/** @returns undefined when nothing was lent; the judge has been told why. */
export async function lentTo(
  { draw, judge }: PartHost,
  name: string,
  forMs: (draw: Draw) => number,
): Promise<{ readonly what: Doing; readonly lent: Lent } | undefined> {
  const sizeBytes = draw.chance(0.5) ? 0 : draw.int(INLINE_BYTES_MAX + 1, LARGE_BYTES_MAX)
  const what = { key: name, sleepMs: 0, spinMs: 0, sizeBytes, atMostOnce: false }
  const ref = lendAll.options({ schedulingStrategy: 'SPREAD' }).remote(what, forMs(draw))
  try {
    const lent = await get(ref)
    judge.told(name, ref)
    return { what, lent }
  } catch (error) {
    judge.failed(name, error)
    return undefined
  } finally {
    ref.free()
  }
}
