// The death of a worker is reported with exit code, signal, peak memory and the last lines of its
// stderr (issue item 3): in the data of the error, and in its text.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ActorDiedError, WorkerCrashedError, get, init, shutdown } from 'virga'
import { stateRows } from '../../support/cluster-view.ts'
import { caught, until } from '../../support/waiting.ts'
import { HAS_PROC, itWhere } from '../../support/where.ts'
import { RemoteSpeaker, diesSpeaking } from './stress-functions.ts'

const MB = 1_000_000
const FILLED_BYTES = 150 * MB
const TWO_LINES = expect.arrayContaining(['the words before', 'the last words']) as unknown

/** The text says what the data does. */
function expectText({ message }: Error, { how, peakBytes }: { how: string; peakBytes: unknown }) {
  expect(peakBytes).toBeGreaterThan(FILLED_BYTES)
  expect(message).toContain(how)
  expect(message).toContain(`peak memory ${String(Math.round(Number(peakBytes) / MB))} MB`)
  expect(message).toMatch(/last lines of stderr:\n(.*\n)*the words before\nthe last words/)
}

describe('the death of a worker', () => {
  beforeAll(async () => {
    await init({ address: 'local', numCpus: 2, logToDriver: false })
  })
  afterAll(shutdown)

  it('by its own exit tells code, peak memory and last words', async () => {
    const dying = diesSpeaking.options({ maxRetries: 0 })
    const error = await caught(dying.run(FILLED_BYTES, 7), WorkerCrashedError)
    expect(error.data).toMatchObject({ exitCode: 7, signal: null, stderrTail: TWO_LINES })
    expectText(error, { how: 'exited with code 7', peakBytes: error.data['peakRssBytes'] })
  })

  itWhere(
    { can: HAS_PROC, reason: 'no /proc tells the memory of what is killed' },
    'by a signal from outside tells signal, peak memory and last words',
    async () => {
      const ref = diesSpeaking.options({ maxRetries: 0 }).remote(FILLED_BYTES)
      let pid = 0
      await until(async () => {
        const rows = await stateRows<{ pid: number; rssBytes: number }>('workers')
        pid = rows.find(({ rssBytes }) => rssBytes > FILLED_BYTES)?.pid ?? 0
        return pid !== 0
      })
      process.kill(pid, 'SIGKILL')
      const error = await caught(get(ref), WorkerCrashedError)
      expect(error.data).toMatchObject({
        exitCode: null,
        signal: 'SIGKILL',
        pid,
        stderrTail: TWO_LINES,
      })
      expectText(error, { how: 'ended by SIGKILL', peakBytes: error.data['peakRssBytes'] })
    },
  )

  it('under an actor tells the same to its callers', async () => {
    const error = await caught(RemoteSpeaker.remote().die.run(FILLED_BYTES, 7), ActorDiedError)
    const { exit } = error.data as { exit: { peakRssBytes: number } }
    expect(exit).toMatchObject({ code: 7, signal: null, stderrTail: TWO_LINES })
    expectText(error, { how: 'exit code 7', peakBytes: exit.peakRssBytes })
  })
})
