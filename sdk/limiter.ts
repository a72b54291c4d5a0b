// limiter(): one name means one limit. In this process that is checked at the call; what other
// processes use is known to the raylet, which refuses their tasks (Q4 of raylet/limiters.ts).
import { UsageError } from '../runtime/common/errors.ts'
import { limitOf, limiter as sealLimiter, type LimitSpec } from '../runtime/common/option-values.ts'
import { showValue } from '../runtime/common/show-value.ts'
import type { Limiter, LimiterOptions } from '../runtime/common/surface.ts'
import { registry } from '../runtime/core-worker/registry-system.ts'

/** More names than that are made in a loop, one per call. */
const LIMITERS_MAX = 10_000

/**
 * A limit of the whole cluster, shared by all who name it: given as option `limit`.
 * @param o  concurrency: how many run at once. perSecond: how many start in a second, above 0.
 * @throws UsageError unless at least one of the two is given, and for a name that this process
 *   has given other numbers.
 */
export function limiter(name: string, o: LimiterOptions): Limiter {
  const made = sealLimiter(name, o)
  const spec = limitOf('limit', made)
  const { limits } = registry()
  const known = limits.get(spec.name)
  if (known !== undefined) {
    const { concurrency, perSecond } = known
    if (concurrency === spec.concurrency && perSecond === spec.perSecond) return made
    throw otherNumbers(known)
  }
  if (limits.size >= LIMITERS_MAX) {
    throw new UsageError(
      `limiter() was called with ${String(LIMITERS_MAX)} names: share one between tasks`,
    )
  }
  limits.set(spec.name, spec)
  return made
}

function otherNumbers({ name, concurrency, perSecond }: LimitSpec): UsageError {
  return new UsageError(
    `limiter(${showValue(name)}) was called before with ${showValue({ concurrency, perSecond })}: ` +
      'give it the same everywhere, or another name',
    { data: { name } },
  )
}
