// limiter(): one name means one limit. In this process that is checked at the call; what other
// processes use is known to the raylet, which refuses their tasks (Q2 of raylet/limiters.ts), as it
// does with one of ours that LIMITERS_MAX newer names have made this process forget.
import { UsageError } from '../runtime/common/errors.ts'
import { LIMITERS_MAX } from '../runtime/common/limits.ts'
import { limitOf, sealLimiter, type LimitSpec } from '../runtime/common/option-values.ts'
import { showValue } from '../runtime/common/show-value.ts'
import type { Limiter, LimiterOptions } from '../runtime/common/surface.ts'
import { registry } from '../runtime/core-worker/registry-system.ts'

/**
 * A limit shared by all who name it, in whatever process and on whatever node of the cluster: given
 * as option `limit`.
 * @param o  concurrency: how many run at once. perSecond: how many start in a second, above 0.
 * @throws UsageError unless at least one of the two is given, and for a name that this process
 *   has given other numbers.
 */
export function limiter(name: string, o: LimiterOptions): Limiter {
  const made = sealLimiter(name, o)
  const spec = limitOf('limit', made)
  const { limits } = registry()
  const known = limits.get(spec.name)
  if (known !== undefined && !hasSameNumbers(known, spec)) throw otherNumbers(known)
  limits.delete(spec.name) // the newest is last
  limits.set(spec.name, spec)
  if (limits.size > LIMITERS_MAX) forgetOldest(limits)
  return made
}

const hasSameNumbers = (a: LimitSpec, b: LimitSpec): boolean =>
  a.concurrency === b.concurrency && a.perSecond === b.perSecond

/** A server has a limiter for each of its tenants; the raylet knows those that are in use. */
function forgetOldest(limits: Map<string, LimitSpec>): void {
  for (const name of limits.keys().take(1)) limits.delete(name)
}

function otherNumbers({ name, concurrency, perSecond }: LimitSpec): UsageError {
  return new UsageError(
    `limiter(${showValue(name)}) was called before with ${showValue({ concurrency, perSecond })}: ` +
      'give it the same everywhere, or another name',
    { data: { name } },
  )
}
