// Word count over the Brown corpus: tasks count the words of a batch of texts each, and further
// tasks add two counts to one, pair by pair, until one is left. The driver never waits in between:
// it passes refs on, and what can run at the same time does.
import { deepStrictEqual } from 'node:assert/strict'
import { get, init, remote } from 'virga'
import type { ObjectRef } from 'virga'
import { brownTexts, wordsOf } from './brown-corpus.ts'
import { compare, cpuCount, sized, timed } from './compare.ts'

type Counts = Map<string, number>

const count = remote(countWords)
const add = remote(addCounts)

await init()

const texts = brownTexts(sized(500, 50))
const batches = split(texts, cpuCount)

const cluster = await timed(async () => {
  let counts: ObjectRef<Counts>[] = batches.map((batch) => count.remote(batch))
  while (counts.length > 1) counts = pairs(counts).map(([a, b]) => (b ? add.remote(a, b) : a))
  const [total] = counts
  return total ? await get(total) : new Map<string, number>()
})

const top = [...cluster.value].toSorted((a, b) => b[1] - a[1]).slice(0, 8)
const wordCount = cluster.value.values().reduce((sum, n) => sum + n, 0)
console.log(`${wordCount} words in ${texts.length} texts, ${cluster.value.size} different ones`)
console.log(`most frequent: ${top.map(([word, n]) => `${word} ${n}`).join(', ')}`)

const single = await timed(() => countWords(texts))
deepStrictEqual(cluster.value, single.value)
compare({ cluster, single, singleIs: 'one thread, one map' })

function countWords(names: string[]): Counts {
  const counts: Counts = new Map()
  for (const name of names) {
    for (const word of wordsOf(name)) counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  return counts
}

function addCounts(a: Counts, b: Counts): Counts {
  const sum = new Map(a)
  for (const [word, n] of b) sum.set(word, (sum.get(word) ?? 0) + n)
  return sum
}

function split<T>(items: T[], parts: number): T[][] {
  const length = Math.ceil(items.length / parts)
  return Array.from({ length: parts }, (_, i) => items.slice(i * length, (i + 1) * length))
}

function pairs<T>(items: T[]): [T, T | undefined][] {
  return Array.from({ length: Math.ceil(items.length / 2) }, (_, i) => [
    items[2 * i] as T,
    items[2 * i + 1],
  ])
}
