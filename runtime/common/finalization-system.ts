// V8's own collector. `gc` is reached without a command-line flag, as workers share the driver's.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Finalization } from './finalization.ts'

const registry = new FinalizationRegistry<() => void>((gone) => {
  gone()
})
let collectNow: (() => void) | undefined

export const systemFinalization: Finalization = {
  watch(target, gone) {
    registry.register(target, gone, target)
  },
  forget(target) {
    registry.unregister(target)
  },
  weak: (target) => new WeakRef(target),
  collect() {
    if (collectNow === undefined) {
      setFlagsFromString('--expose-gc')
      collectNow = runInNewContext('gc') as () => void
      setFlagsFromString('--no-expose-gc')
    }
    collectNow()
  },
}
