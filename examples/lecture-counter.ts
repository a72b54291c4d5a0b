// The lecture's second program: a Counter that lives on a GPU, as an actor. Its calls run one after
// the other, in the order they were made, and share its value. The GPU is a made-up one: resources
// are counted, not touched, so any machine can say that it has one.
import { deepStrictEqual } from 'node:assert/strict'
import { get, init, remote, runtimeContext } from 'virga'
import { compare, timed } from './compare.ts'

class PlainCounter {
  value = 0

  inc(): number {
    this.value += 1
    return this.value
  }

  gpuIds(): number[] {
    return [...runtimeContext().gpuIds]
  }
}

const Counter = remote(PlainCounter, { numGpus: 1 })

await init({ numGpus: 1 })

const c = Counter.remote()
const cluster = await timed(async () => {
  const id4 = c.inc.remote()
  const id5 = c.inc.remote()
  return await get([id4, id5])
})
console.log(`the counter says ${cluster.value.join(', then ')}`)
console.log(`it runs on GPU ${(await c.gpuIds.run()).join(', ')}`)

const single = await timed(() => {
  const counter = new PlainCounter()
  return [counter.inc(), counter.inc()]
})
deepStrictEqual(cluster.value, single.value)
compare({ cluster, single, singleIs: 'two plain method calls: state apart is what is bought here' })
