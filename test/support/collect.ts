// Collects the garbage of this process: handles and mapped arrays go once V8 finds them dropped.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { storeStats } from './cluster-view.ts'
import { until } from './waiting.ts'

setFlagsFromString('--expose-gc')
export const collect = runInNewContext('gc') as () => void

/** Waits until nothing is left in the object store. */
export async function untilFreed(): Promise<void> {
  await until(async () => {
    collect()
    return (await storeStats()).objectCount === 0
  })
}
