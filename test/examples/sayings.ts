// What the examples print, by which a test reads that each did its work: at a tenth of its size,
// and whole. Programs are taken from the folder, so a new one is run without a word here.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** Only for what hangs: at a tenth the slowest takes 17 s alone on two cores, and has taken 61
 *  beside other work. */
export const TENTH_MS_MAX = 180_000
/** At full size a machine of two cores needs minutes. */
export const FULL_MS_MAX = 400_000
export const EXAMPLES = join(import.meta.dirname, '../../examples')

/** Every program of the folder that starts a cluster, or finds one. */
export const PROGRAMS: readonly string[] = readdirSync(EXAMPLES).filter(
  (name) =>
    name.endsWith('.ts') && readFileSync(join(EXAMPLES, name), 'utf8').includes('await init('),
)

export const COMPARED: readonly RegExp[] = [
  /^cluster +\d+\.\d{3} s {2}\(\d+ CPUs\)$/m,
  /^one process +\d+\.\d{3} s {2}\(.+\)$/m,
  /^speed-up +\d+\.\d\d x$/m,
  /^same result as the serial run$/m,
]

/** What each has to say, beside how it compares. @param isFull  its size; else it is a tenth. */
export const sayings = (isFull: boolean): Readonly<Record<string, readonly RegExp[]>> => ({
  'lecture-zeros.ts': [/^z has 100 rows of 100, and its sum is 0$/m],
  'lecture-counter.ts': [/^the counter says 1, then 2$/m, /^it runs on GPU 0$/m],
  'word-count.ts': [
    isFull ? /^1005119 words in 500 texts/m : /^\d+ words in 50 texts/m,
    /^most frequent: the \d+, of \d+, and \d+/m,
  ],
  'nearest-words.ts': [/^three +\w+/m, /^night +day, /m],
  'parameter-server.ts': [/^reads 9\d\.\d % of 1600 digits it never saw$/m],
  'ocr.ts': [
    isFull
      ? /^(9[5-9]\.\d|100\.0) % of the words on 60 pages read right$/m
      : /on 6 pages read right/m,
    /^workers that died over a page and were replaced: [1-3]$/m,
  ],
  'embedding-search.ts': [/^a cold sweet made of frozen cream: .*(ice|frozen)/m],
  'monte-carlo.ts': [
    /^\d+ of 100 batches were enough, [1-9]\d* cancelled$/m,
    /on the geometric average: 5\.\d+, by formula 5\.566$/m,
  ],
  'pipeline.ts': [/^\d+ texts went through, never more than [1-9] at a time$/m],
  'tour.ts': [/1, 2 and 3 +\[1,4,9\]$/m, /twice +\[1,2\]$/m, /^The cluster is gone +\d+ ms$/m],
})
