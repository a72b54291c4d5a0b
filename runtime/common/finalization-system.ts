// V8's own collector, reached without command-line flags, as workers share the driver's. A flag that
// the program was started with stays as it is.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext, runInThisContext } from 'node:vm'
import type { Finalization } from './finalization.ts'
import { nativesOf, withNatives } from './natives-system.ts'

/** V8 keeps notes on a function, which it needs here, after about ten calls. */
const CALLS_UNTIL_NOTED = 32
const NATIVES = `{
  isYoung: (made) => %InYoungGeneration(made),
  pretenure: (made) => %PretenureAllocationSite(made),
  deoptimize: (make) => %DeoptimizeFunction(make),
}`

interface Natives {
  readonly isYoung: (made: object) => boolean
  /** @returns false where the code that made it left no note of its place. */
  readonly pretenure: (made: object) => boolean
  readonly deoptimize: (make: Maker) => void
}

type Maker = Parameters<NonNullable<Finalization['tenure']>>[0][number]

const registry = new FinalizationRegistry<() => void>((gone) => {
  gone()
})
let collectNow: ((options?: { type: 'minor' }) => void) | undefined
let natives: Natives | undefined

export const systemFinalization: Finalization = {
  watch(target, gone) {
    registry.register(target, gone, target)
  },
  forget(target) {
    registry.unregister(target)
  },
  weak: (target) => new WeakRef(target),
  collect() {
    collector()()
  },
  // V8 puts objects where old ones lie when those of the same place in the program have stayed; but
  // it looks only while that place is not optimized yet and new objects have all the room that they
  // may have, so that chance decides, and it forgets again when most of what is old has died.
  tenure(makers) {
    withNatives(() => {
      natives ??= nativesOf<Natives>(NATIVES)
      let isNews = false
      for (const make of makers) isNews = isNewsOf(make, natives) || isNews
      if (isNews) collector()({ type: 'minor' }) // which is when V8 takes note
    })
  },
}

function collector(): NonNullable<typeof collectNow> {
  if (collectNow === undefined) {
    const wasExposed = runInThisContext('typeof gc') === 'function'
    setFlagsFromString('--expose-gc')
    collectNow = runInNewContext('gc') as NonNullable<typeof collectNow>
    if (!wasExposed) setFlagsFromString('--no-expose-gc')
  }
  return collectNow
}

/** @returns whether it has to take note: not of a place that it makes old objects at already. */
function isNewsOf(make: Maker, { isYoung, pretenure, deoptimize }: Natives): boolean {
  for (let i = 0; i < CALLS_UNTIL_NOTED; i += 1) {
    const made = make(1)
    if (!isYoung(made)) return false
    if (pretenure(made)) return true
  }
  deoptimize(make) // optimized code leaves no notes
  return pretenure(make(1))
}
