// The tour: `npm start`, or `node examples/tour.ts`. Starts a cluster on this machine, runs tasks,
// an actor and a real computation on it, compares with one process, and leaves nothing behind.
import { deepStrictEqual } from 'node:assert/strict'
import { get, init, put, remote, shutdown } from 'virga'
import { geometricPrice, priceBatch, priceOf } from './asian-option.ts'
import { compare, cpuCount, sized, timed } from './compare.ts'

const PATHS_PER_BATCH = 5000

class PlainCounter {
  #value = 0

  inc(): number {
    return ++this.#value
  }
}

const square = remote((x: number) => x * x)
const sum = remote((numbers: Float64Array) => numbers.reduce((a, b) => a + b, 0))
const Counter = remote(PlainCounter)
const price = remote(priceBatch, { name: 'price' })

const started = await timed(() => init({ address: 'local' }))
say(`A cluster with ${cpuCount} workers`, `${Math.round(started.tookMs)} ms`)

const squares = [1, 2, 3].map((x) => square.remote(x))
say('Tasks: the squares of 1, 2 and 3', await get(squares))

const counter = Counter.remote()
say('An actor: a counter, twice', await get([counter.inc.remote(), counter.inc.remote()]))

const shared = await put(new Float64Array(1_000_000).fill(1))
say('Shared memory: a million ones', await get([sum.remote(shared), sum.remote(shared)]))

const seeds = Array.from({ length: sized(60, 12) }, (_, seed) => seed)
console.log(`\nThe price of an Asian option by ${seeds.length * PATHS_PER_BATCH} random paths:`)
const cluster = await timed(() => get(price.mapRefs(seeds, PATHS_PER_BATCH)))
const { arithmetic, geometric, standardError } = priceOf(cluster.value)
console.log(`${arithmetic.toFixed(3)} ± ${standardError.toFixed(3)}`)
console.log(`control: ${geometric.toFixed(3)}, by formula ${geometricPrice().toFixed(3)}`)

const ended = await timed(shutdown)
say('The cluster is gone', `${Math.round(ended.tookMs)} ms`)

console.log('\nThe same on one process:')
const single = await timed(() => seeds.map((seed) => priceBatch(seed, PATHS_PER_BATCH)))
deepStrictEqual(cluster.value, single.value)
compare({ cluster, single, singleIs: 'one thread, the same batches' })

console.log('\nMore: examples/README.md')

function say(what: string, result: unknown): void {
  console.log(`${what.padEnd(36)}${typeof result === 'string' ? result : JSON.stringify(result)}`)
}
