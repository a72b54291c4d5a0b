// The examples, run as a user would run them: `node examples/x.ts` with no loader. Each compares its
// own result with a serial run and fails when they differ; here it is read that it did, what it
// found, and that nothing is left of its cluster. `npm test`: a tenth of their size.
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { until } from '../support/waiting.ts'
import { ExampleProcess, SCALE } from './example-process.ts'

const isFull = SCALE === '1'
/** At a tenth no example may take longer; at full size a machine of two cores needs minutes. */
const TIMEOUT_MS = isFull ? 400_000 : 60_000
const EXAMPLES = join(import.meta.dirname, '../../examples')

const COMPARED = [
  /^cluster +\d+\.\d{3} s {2}\(\d+ CPUs\)$/m,
  /^one process +\d+\.\d{3} s {2}\(.+\)$/m,
  /^speed-up +\d+\.\d\d x$/m,
  /^same result as the serial run$/m,
]

/** What each has to say, beside how it compares. */
const SAYS: Readonly<Record<string, readonly RegExp[]>> = {
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
}

describe('examples', () => {
  for (const [file, patterns] of Object.entries(SAYS)) {
    it(
      `${file} does what it says, as one process would, and leaves nothing`,
      async () => {
        using example = new ExampleProcess()
        const end = await example.run(`examples/${file}`, TIMEOUT_MS)
        expect(end, end.stderr).toMatchObject({ code: 0 })
        expect(end.processCount).toBeGreaterThan(0)
        for (const pattern of [...patterns, ...COMPARED]) expect(end.stdout).toMatch(pattern)
        await until(() => end.leftovers().length === 0)
      },
      TIMEOUT_MS + 30_000,
    )
  }

  it(
    'npm start runs the tour, tells its progress in lines, and leaves nothing',
    async () => {
      using example = new ExampleProcess()
      const end = await example.run('scripts/start.ts', TIMEOUT_MS)
      expect(end, end.stderr).toMatchObject({ code: 0 })
      expect(end.processCount).toBeGreaterThan(0)
      for (const pattern of [...(SAYS['tour.ts'] ?? []), ...COMPARED]) {
        expect(end.stdout).toMatch(pattern)
      }
      expect(end.stderr).toMatch(/^virga: price: \d+ done, .* 0 failed/m)
      await until(() => end.leftovers().length === 0)
    },
    TIMEOUT_MS + 30_000,
  )

  it('every program that starts a cluster is run here and stands in the README', () => {
    const programs = readdirSync(EXAMPLES).filter(
      (name) =>
        name.endsWith('.ts') && readFileSync(join(EXAMPLES, name), 'utf8').includes('await init('),
    )
    const readme = readFileSync(join(EXAMPLES, 'README.md'), 'utf8')
    expect(programs.filter((name) => !readme.includes(`\`${name}\``))).toEqual([])
    // app.ts is the page's ten lines; test/integration/engine runs it.
    expect(programs.filter((name) => name !== 'app.ts' && !(name in SAYS))).toEqual([])
  })
})
