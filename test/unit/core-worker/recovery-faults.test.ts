// Objects are made again while processes die: a program whose stored results are all lost half way
// is run once for each message that follows, and at that message a worker dies or a connection
// breaks. Each run ends with the right values or a typed error; none hangs (F01, F07, F41).
import { systemClock } from '../../../runtime/common/clock-system.ts'
import type { ObjectRef } from '../../../runtime/common/surface.ts'
import { get, wait } from '../../../sdk/get-put-wait.ts'
import { faultAtMessages, type Fault } from '../../support/fault-at-messages.ts'
import type { MemoryCluster } from '../../support/memory-cluster.ts'
import { scaled } from '../../support/scale.ts'
import * as fn from './lost-functions.ts'

/** Real milliseconds, of which a busy machine may take ten; the cluster's clock runs 20 times
 *  faster. */
const HANG_MS = 40_000
/** Every message at full size, every sixteenth in `npm test`. */
const STEP = scaled(4) === 4 ? 1 : 16

const faults: readonly [name: string, fault: Fault][] = [
  [
    'a worker that sent it dies',
    (cluster, end) => {
      if (!end.owner.startsWith('worker')) return
      systemClock.microtask(() => {
        cluster.kill(end.owner)
      })
    },
  ],
  [
    'its connection breaks',
    (_, end) => {
      end.cut()
    },
  ],
]

/** What the driver needs at first, and again when nothing of it is left. */
async function program(cluster: MemoryCluster, lost: () => void): Promise<unknown[]> {
  const base = fn.make.remote(1)
  const sum = fn.plus.remote(fn.plus.remote(base, 2), 3)
  const [one, two] = fn.pair.remote(4)
  const items: ObjectRef<Float64Array>[] = []
  for await (const ref of fn.items.remote(3)) items.push(ref)
  const all = [sum, one, two, ...items]
  await wait(all, { numReturns: all.length })
  cluster.store.free(cluster.store.list().map(({ objectId }) => objectId))
  lost()
  const behind = fn.behind.remote({ ref: base })
  const [first] = items
  const read = await Promise.all([
    get(sum).then((array) => array[0]),
    fn.firstOfAll.run(one, two),
    get(behind).then((array) => array[0]),
    first === undefined ? undefined : fn.first.run(first),
  ])
  return [...read, (await get(items)).map((array) => array[0])]
}
const RESULT = [6, [4, -4], 10, 0, [0, 1, 2]]

faultAtMessages('at every message after a loss', faults, {
  ...{ run: program, faultsCome: 'LATE', result: RESULT, hangMs: HANG_MS, step: STEP },
})
