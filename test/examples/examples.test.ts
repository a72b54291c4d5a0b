// The examples, run as a user would run them: `node examples/x.ts` with no loader. Each compares its
// own result with a serial run and fails when they differ; here it is read that it did, what it
// found, and that nothing is left of its cluster. `npm test`: a tenth of their size.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { until } from '../support/waiting.ts'
import { SCALE } from '../support/scale.ts'
import { ExampleProcess } from './example-process.ts'
import { COMPARED, EXAMPLES, FULL_MS_MAX, PROGRAMS, TENTH_MS_MAX, sayings } from './sayings.ts'

const isFull = SCALE === '1'
const TIMEOUT_MS = isFull ? FULL_MS_MAX : TENTH_MS_MAX
const SAYS = sayings(isFull)

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
    const readme = readFileSync(join(EXAMPLES, 'README.md'), 'utf8')
    expect(PROGRAMS.filter((name) => !readme.includes(`\`${name}\``))).toEqual([])
    // app.ts is the page's ten lines; test/integration/engine runs it.
    expect(PROGRAMS.filter((name) => name !== 'app.ts' && !(name in SAYS))).toEqual([])
  })
})
