// Vectors of words from a corpus: which words stand near which, weighted by how surprising that is
// (positive pointwise mutual information), each vector of length 1. Words used alike get vectors
// that point the same way, so nearness is a dot product.
import { wordsOf } from './brown-corpus.ts'

/** How far to the left and right a word's neighbours reach. */
const WINDOW = 4

/** `vectors` holds `words.length` rows of `width` numbers. Plain data: it travels as it is. */
export interface WordVectors {
  readonly words: string[]
  readonly width: number
  readonly vectors: Float32Array
}

/**
 * Vectors of the `wordCount` most frequent words, by their nearness to the first `width` (a
 * multiple of 4).
 */
export function wordVectors(texts: string[], wordCount: number, width: number): WordVectors {
  const sequences = texts.map(wordsOf)
  const words = mostFrequent(sequences, wordCount)
  const rowOf = new Map(words.map((word, row) => [word, row]))
  const vectors = new Float32Array(words.length * width)
  for (const sequence of sequences) {
    const rows = Int32Array.from(sequence, (word) => rowOf.get(word) ?? -1)
    rows.forEach((row, at) => {
      if (row < 0) return
      const end = Math.min(rows.length - 1, at + WINDOW)
      for (let near = Math.max(0, at - WINDOW); near <= end; near++) {
        const column = rows[near] ?? -1
        if (near === at || column < 0 || column >= width) continue
        vectors[row * width + column] = (vectors[row * width + column] ?? 0) + 1
      }
    })
  }
  weigh(vectors, width)
  return { words, width, vectors }
}

/** The `count` words nearest to the word in row `row`, the nearest first. */
export function nearest({ words, width, vectors }: WordVectors, row: number, count = 3): string[] {
  const best: { other: number; likeness: number }[] = []
  for (let other = 0; other < words.length; other++) {
    if (other === row) continue
    const likeness = dot(vectors, row * width, other * width, width)
    if (best.length === count && likeness <= (best.at(-1)?.likeness ?? 0)) continue
    best.push({ other, likeness })
    best.sort((a, b) => b.likeness - a.likeness)
    best.length = Math.min(best.length, count)
  }
  return best.map(({ other }) => String(words[other]))
}

// Four sums at once, because a processor adds faster than it waits for a sum.
function dot(vectors: Float32Array, a: number, b: number, width: number): number {
  let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0]
  for (let i = 0; i < width; i += 4) {
    sum0 += (vectors[a + i] ?? 0) * (vectors[b + i] ?? 0)
    sum1 += (vectors[a + i + 1] ?? 0) * (vectors[b + i + 1] ?? 0)
    sum2 += (vectors[a + i + 2] ?? 0) * (vectors[b + i + 2] ?? 0)
    sum3 += (vectors[a + i + 3] ?? 0) * (vectors[b + i + 3] ?? 0)
  }
  return sum0 + sum1 + sum2 + sum3
}

function mostFrequent(sequences: string[][], wordCount: number): string[] {
  const counts = new Map<string, number>()
  for (const sequence of sequences) {
    for (const word of sequence) counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  const byFrequency = [...counts].toSorted(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))
  return byFrequency.slice(0, wordCount).map(([word]) => word)
}

function weigh(counts: Float32Array, width: number): void {
  const columnSums = new Float64Array(width)
  for (let i = 0; i < counts.length; i++) {
    columnSums[i % width] = (columnSums[i % width] ?? 0) + (counts[i] ?? 0)
  }
  const total = columnSums.reduce((sum, n) => sum + n, 0)
  for (let start = 0; start < counts.length; start += width) {
    const row = counts.subarray(start, start + width)
    const rowSum = row.reduce((sum, n) => sum + n, 0)
    const weights = row.map((n, i) => {
      const expected = (rowSum * (columnSums[i] ?? 0)) / total
      return n > expected ? Math.log(n / expected) : 0
    })
    const length = Math.sqrt(weights.reduce((sum, weight) => sum + weight * weight, 0)) || 1
    row.set(weights.map((weight) => weight / length))
  }
}
