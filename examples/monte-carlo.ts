// Monte-Carlo pricing that stops when it has enough. More batches of paths are started than will
// be needed; `wait` hands over the first that are done, the error falls, and once it is small
// enough the rest are cancelled. The serial run then prices the very batches that were taken.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { cancel, get, init, remote, wait, TaskCancelledError } from 'virga'
import { geometricPrice, priceBatch, priceOf } from './asian-option.ts'
import type { Batch } from './asian-option.ts'
import { compare, sized, timed } from './compare.ts'

const PATHS_PER_BATCH = sized(10_000, 2000)
const BATCHES = 100
const STANDARD_ERROR_MAX = 0.018 / Math.sqrt(PATHS_PER_BATCH / 10_000)

const price = remote(priceBatch)

await init()

const cluster = await timed(async () => {
  const taken: Batch[] = []
  let pending = Array.from({ length: BATCHES }, (_, seed) => price.remote(seed, PATHS_PER_BATCH))
  while (pending.length > 0) {
    const [ready, rest] = await wait(pending)
    taken.push(...(await get(ready)))
    pending = rest
    if (priceOf(taken).standardError <= STANDARD_ERROR_MAX) break
  }
  await Promise.all(pending.map((ref) => cancel(ref)))
  return { taken, cancelled: pending }
})

const { taken, cancelled } = cluster.value
for (const ref of cancelled) {
  const error = await get(ref).catch((reason: unknown) => reason)
  ok(error instanceof TaskCancelledError, 'what was cancelled says so')
}
const result = priceOf(taken)
console.log(`${taken.length} of ${BATCHES} batches were enough, ${cancelled.length} cancelled`)
console.log(`Asian call ${result.arithmetic.toFixed(3)} ± ${result.standardError.toFixed(3)}`)
console.log(
  `the same paths on the geometric average: ${result.geometric.toFixed(3)}, ` +
    `by formula ${geometricPrice().toFixed(3)}`,
)
ok(Math.abs(result.geometric - geometricPrice()) < 4 * result.standardError, 'the paths are fair')

const single = await timed(() => taken.map(({ seed }) => priceBatch(seed, PATHS_PER_BATCH)))
deepStrictEqual(taken, single.value)
compare({ cluster, single, singleIs: 'one thread, the same batches' })
