// Every example, unchanged, on a cluster of three nodes that `virga start` has made: with the GCS in
// the first of them, and in DynamoDB. They run at a tenth of their size, whatever the tests have.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Place, type Row } from '../integration/cli/virga.ts'
import { describeOn, startCloud } from '../support/emulator.ts'
import { until } from '../support/waiting.ts'
import { ExampleProcess, SCALE } from './example-process.ts'
import { COMPARED, PROGRAMS, TENTH_MS_MAX, sayings } from './sayings.ts'

const SAYS = sayings(false)
/** The page's ten lines, which compare nothing. */
const APP = 'app.ts'

/** One example asks for a GPU, which costs nothing to say. */
const GPUS = ['--num-gpus', '1']

function examplesOn(gcs: readonly string[]): void {
  let place: Place
  beforeAll(async () => {
    place = new Place()
    await place.startNodes({ nodes: 3 }, ...GPUS, ...gcs)
  })
  afterAll(async () => {
    await place.virga('stop')
    place.remove()
  })

  it.each(PROGRAMS)(
    '%s does what it says and leaves nothing',
    async (file) => {
      using example = new ExampleProcess()
      const where = { runtimeDir: place.runtimeDir, scale: '0.1' }
      const end = await example.run(`examples/${file}`, TENTH_MS_MAX, where)
      expect(end, end.stderr).toMatchObject({ code: 0 })
      const due = file === APP ? [/^\[ 1, 4, 9 \]$/m] : [...(SAYS[file] ?? []), ...COMPARED]
      for (const pattern of due) expect(end.stdout).toMatch(pattern)
      await until(() => end.leftovers().length === 0)
    },
    TENTH_MS_MAX + 30_000,
  )

  it('afterwards all is free on all nodes, and every job is finished', async () => {
    const states = (rows: readonly Row[]): unknown[] => rows.map((row) => row['state'])
    expect(states(await place.rows('nodes'))).toEqual(Array(3).fill('ALIVE'))
    const jobs = await place.rows('jobs')
    expect(new Set(states(jobs))).toEqual(new Set(['FINISHED']))
    expect(jobs).toHaveLength(PROGRAMS.length)
    await until(async () => {
      const { resources } = await place.json('status')
      return (resources as Row[]).every(({ total, free }) => total === free)
    })
  })
}

describe('examples on three nodes', () => {
  examplesOn([])
})

// Reason: the same programs once more, for `npm run test:full`.
const cloud = SCALE === '1' ? await startCloud('ministack') : undefined
describeOn(cloud, 'examples on three nodes with the GCS in DynamoDB', (cloud) => {
  examplesOn(['--gcs', 'dynamodb', '--endpoint-url', cloud.endpoint])
  afterAll(() => cloud.stop())
})
