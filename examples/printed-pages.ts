// Pages of print whose text is known, drawn with a font from npm, and a reader for them: tesseract
// compiled to WebAssembly, which runs in a thread of its own.
import { createRequire } from 'node:module'
import { GlobalFonts, createCanvas } from '@napi-rs/canvas'
import eng from '@tesseract.js-data/eng'
import { createWorker } from 'tesseract.js'
import type { Worker } from 'tesseract.js'
import { brownTexts, wordsOf } from './brown-corpus.ts'

const FONT = 'dejavu-fonts-ttf/ttf/DejaVuSerif.ttf'
const LINES = 6
const WORDS_PER_LINE = 7

export interface Page {
  readonly number: number
  readonly png: Uint8Array
}

/** What is printed on each page: the first words of so many texts of the Brown corpus. */
export function printedTexts(pageCount: number): string[] {
  return brownTexts(pageCount).map((name) => {
    const words = wordsOf(name).filter((word) => /^[a-z]+$/.test(word))
    const lines = Array.from({ length: LINES }, (_, i) =>
      words.slice(i * WORDS_PER_LINE, (i + 1) * WORDS_PER_LINE).join(' '),
    )
    return lines.join('\n')
  })
}

export function drawPage(number: number, text: string): Page {
  const { resolve } = createRequire(import.meta.url)
  if (!GlobalFonts.has('Print')) GlobalFonts.registerFromPath(resolve(FONT), 'Print')
  const canvas = createCanvas(1100, 80 + LINES * 48)
  const context = canvas.getContext('2d')
  context.fillStyle = 'white'
  context.fillRect(0, 0, canvas.width, canvas.height)
  context.fillStyle = 'black'
  context.font = '28px Print'
  text.split('\n').forEach((line, i) => context.fillText(line, 40, 70 + i * 48))
  return { number, png: canvas.toBuffer('image/png') }
}

/** A reader of English; it takes about a second to start, and serves any number of pages. */
export function startReader(): Promise<Worker> {
  return createWorker('eng', 1, { langPath: eng.langPath, gzip: eng.gzip, cacheMethod: 'none' })
}

/** The share of words that were read as they were printed, of all pages together. */
export function shareRead(printed: readonly string[], read: readonly string[]): number {
  const words = printed.map((text) => text.split(/\s+/))
  const right = words.map((page, i) => {
    const found = new Set((read[i] ?? '').split(/\s+/))
    return page.filter((word) => found.has(word)).length
  })
  return right.reduce((a, b) => a + b, 0) / words.flat().length
}
