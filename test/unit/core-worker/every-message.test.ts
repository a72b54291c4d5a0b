// A fault at every message: a small program (a task with refs inside its argument, actor calls, a
// stream) is run once for each message that it sends, and at that message a process dies or a
// connection breaks. Each run ends with the right result or a typed error; none hangs (faults F01).
import { systemClock } from '../../../runtime/common/clock-system.ts'
import type { ObjectRef } from '../../../runtime/common/surface.ts'
import { get, put } from '../../../sdk/get-put-wait.ts'
import { faultAtMessages, type Fault } from '../../support/fault-at-messages.ts'
import { scaled } from '../../support/scale.ts'
import * as fn from './ref-functions.ts'

async function program(): Promise<number[]> {
  const inner = await put(fn.nodeOf(1, [], false))
  const built = fn.build.remote(fn.nodeOf(2, [inner], true))
  const outer = await get(fn.putThere.remote(fn.nodeOf(3, [built], false), 4))
  const holder = fn.RemoteHolder.remote()
  await holder.keep.run(outer)
  const ids = await holder.idsBelow.run(4)
  for await (const ref of fn.items.remote([fn.nodeOf(5, [inner], false), outer])) {
    const node = await get(ref)
    ids.push(node.id, ...(await get([...node.refs])).map((each) => each.id))
  }
  const [first] = (await get(fn.nest.remote(outer, 6))).refs as [ObjectRef<fn.Node>]
  ids.push((await get(first)).id)
  return ids
}
const RESULT = [3, 5, 1, -5, 4, 3, -4, 4]

/** Real milliseconds; the cluster's clock runs 20 times faster. */
const HANG_MS = 15_000
/** Every message at full size, every sixth in `npm test`. */
const STEP = scaled(4) === 4 ? 1 : 6

const killSender: Fault = (cluster, end) => {
  if (end.owner.startsWith('worker')) cluster.kill(end.owner)
}
const faults: readonly [name: string, fault: Fault][] = [
  ['its sender dies before it leaves', killSender],
  [
    'its sender dies after it left',
    (cluster, end) => {
      systemClock.microtask(() => {
        killSender(cluster, end)
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

faultAtMessages('at every message', faults, {
  ...{ run: program, faultsCome: 'EARLY', result: RESULT, hangMs: HANG_MS, step: STEP },
})
