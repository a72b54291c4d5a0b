// A parameter server: an actor keeps the weights of a network that reads handwritten digits, and
// tasks compute gradients on shards of the images, which lie in shared memory. The whole training
// is submitted as refs that depend on each other, so no step waits for the driver.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { get, init, put, remote } from 'virga'
import { compare, cpuCount, sized, timed } from './compare.ts'
import { accuracy, digits, firstWeights, gradient } from './digits.ts'

const SHARDS = cpuCount
const BATCH = 1000
const LEARNING_RATE = 0.4
const MOMENTUM = 0.9
const HELD_BACK_PER_DIGIT = 160

class Weights {
  readonly #weights = firstWeights()
  readonly #velocity = new Float32Array(this.#weights.length)

  current(): Float32Array {
    return this.#weights
  }

  /** Takes the gradients of all shards of a batch, and returns the new weights. */
  apply(...gradients: Float32Array[]): Float32Array {
    const [weights, velocity] = [this.#weights, this.#velocity]
    for (let i = 0; i < weights.length; i++) velocity[i] = MOMENTUM * (velocity[i] ?? 0)
    for (const shard of gradients) {
      for (let i = 0; i < weights.length; i++) {
        velocity[i] = (velocity[i] ?? 0) - (LEARNING_RATE / BATCH) * (shard[i] ?? 0)
      }
    }
    for (let i = 0; i < weights.length; i++) weights[i] = (weights[i] ?? 0) + (velocity[i] ?? 0)
    return this.#weights
  }
}

const ParameterServer = remote(Weights)
const shardGradient = remote(gradient)

await init()

const training = digits(0, 700)
const heldBack = digits(700, HELD_BACK_PER_DIGIT)
const stepCount = sized(100, 80)

const cluster = await timed(async () => {
  const images = await put(training)
  const server = ParameterServer.remote()
  let weights = server.current.remote()
  for (let step = 0; step < stepCount; step++) {
    weights = server.apply.remote(
      ...shardsOf(step).map((shard) => shardGradient.remote(weights, images, shard)),
    )
  }
  return await get(weights)
})
const share = accuracy(cluster.value, heldBack)
console.log(`${stepCount} steps of ${BATCH} digits on ${SHARDS} shards`)
console.log(`reads ${(share * 100).toFixed(1)} % of ${heldBack.labels.length} digits it never saw`)
ok(share > 0.9, 'more than 90 % are read right')

const single = await timed(() => {
  const weights = new Weights()
  for (let step = 0; step < stepCount; step++) {
    weights.apply(...shardsOf(step).map((shard) => gradient(weights.current(), training, shard)))
  }
  return weights.current()
})
deepStrictEqual(Float32Array.from(cluster.value), single.value)
compare({ cluster, single, singleIs: 'one thread, the same steps' })

/** The images of one step, divided: [start, end) for each shard. */
function shardsOf(step: number): [number, number][] {
  const first = (step * BATCH) % (training.labels.length - BATCH + 1)
  const size = Math.ceil(BATCH / SHARDS)
  return Array.from({ length: SHARDS }, (_, i) => [
    first + i * size,
    first + Math.min(BATCH, (i + 1) * size),
  ])
}
