// Every example, unchanged, on a cluster of three nodes that `virga start` has made: with the GCS in
// the first of them, all but one at the size that the tests have, and in DynamoDB, at a tenth.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Place, type Row } from '../integration/cli/virga.ts'
import { describeOn, startCloud } from '../support/emulator.ts'
import { until } from '../support/waiting.ts'
import { SCALE } from '../support/scale.ts'
import { ExampleProcess } from './example-process.ts'
import { COMPARED, FULL_MS_MAX, PROGRAMS, TENTH_MS_MAX, sayings } from './sayings.ts'

/** The page's ten lines, which compare nothing. */
const APP = 'app.ts'

/** At full size it takes half of the time of all of them. */
const TOO_LONG = 'embedding-search.ts'

/** They may have so little to do at one time that one node does it all, as most may at a tenth; the
 *  last goes where its training data lie. */
const NEED_NOT_SPREAD: ReadonlySet<string> = new Set([
  ...[APP, 'lecture-zeros.ts', 'lecture-counter.ts', 'word-count.ts', 'parameter-server.ts'],
])

/** One example asks for a GPU, which costs nothing to say. */
const GPUS = ['--num-gpus', '1']

/** @param isFull  whether they have their full size; else it is a tenth. */
function examplesOn(gcs: readonly string[], isFull: boolean): void {
  const limitMs = isFull ? FULL_MS_MAX : TENTH_MS_MAX
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
    '%s does what it says, on more than one node if it is whole and much, and leaves nothing',
    async (file) => {
      using example = new ExampleProcess()
      const beganAtMs = Date.now()
      const isWhole = isFull && file !== TOO_LONG
      const where = { runtimeDir: place.runtimeDir, scale: isWhole ? '1' : '0.1' }
      const end = await example.run(`examples/${file}`, limitMs, where)
      expect(end, end.stderr).toMatchObject({ code: 0 })
      const due =
        file === APP ? [/^\[ 1, 4, 9 \]$/m] : [...(sayings(isWhole)[file] ?? []), ...COMPARED]
      for (const pattern of due) expect(end.stdout).toMatch(pattern)
      await until(() => end.leftovers().length === 0)
      if (!isWhole || NEED_NOT_SPREAD.has(file)) return
      await until(async () => (await nodesAtWork(place, beganAtMs)) > 1)
    },
    limitMs + 30_000,
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

/** On how many nodes a task or call ran that began later than that. */
async function nodesAtWork(place: Place, sinceMs: number): Promise<number> {
  const ran = await place.rows('tasks', '--limit', '1000000')
  const since = ran.filter(({ startMs }) => Number(startMs) >= sinceMs)
  return new Set(since.map(({ nodeId }) => nodeId)).size
}

describe('examples on three nodes', () => {
  examplesOn([], SCALE === '1')
})

const cloud = SCALE === '1' ? await startCloud() : undefined
describeOn(
  cloud,
  'examples on three nodes with the GCS in DynamoDB',
  (cloud) => {
    examplesOn(['--gcs', 'dynamodb', '--endpoint-url', cloud.endpoint], false)
    afterAll(() => cloud.stop())
  },
  'the same programs once more: npm run test:full has them',
)
