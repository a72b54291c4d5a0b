// Nearest words in the Brown corpus. The driver counts who stands beside whom and puts the vectors
// into shared memory once; each task finds the nearest neighbours of some of the words in them.
// Nothing is copied per task: all workers read the same memory.
import { deepStrictEqual } from 'node:assert/strict'
import { get, init, put, remote } from 'virga'
import { brownTexts } from './brown-corpus.ts'
import { compare, sized, timed } from './compare.ts'
import { nearest, wordVectors } from './word-vectors.ts'
import type { WordVectors } from './word-vectors.ts'

const SHOWN = ['war', 'money', 'president', 'water', 'night', 'black', 'three', 'walked', 'german']
const ROWS_PER_TASK = 100

const nearestOfRows = remote(neighboursOf)

await init()

const rowCount = sized(4000, 1000)
const learnt = wordVectors(brownTexts(500), rowCount, 500)
const starts = Array.from({ length: rowCount / ROWS_PER_TASK }, (_, i) => i * ROWS_PER_TASK)

const cluster = await timed(async () => {
  const shared = await put(learnt)
  return (await get(starts.map((start) => nearestOfRows.remote(shared, start)))).flat()
})
for (const word of SHOWN) {
  console.log(`${word.padEnd(10)}${(cluster.value[learnt.words.indexOf(word)] ?? []).join(', ')}`)
}

const single = await timed(() => starts.flatMap((start) => neighboursOf(learnt, start)))
deepStrictEqual(cluster.value, single.value)
compare({ cluster, single, singleIs: 'one thread, the same vectors' })

function neighboursOf(vectors: WordVectors, start: number): string[][] {
  return Array.from({ length: ROWS_PER_TASK }, (_, i) => nearest(vectors, start + i))
}
