// `npm run sim -- --seeds 1000`: runs so many seeds, twice each; prints the rate, the failures and
// the probes that nothing hit. `-- --seed 42` replays one; with `--story NAME` it prints what
// happened to one task, object, actor or process, line by line; `--plant BUG` plants a bug.
import { parseArgs } from 'node:util'
import { PLANTED_BUGS } from '../test/sim/planted-bugs.ts'
import { PROBES } from '../test/sim/probes.ts'
import { runSeed, type RunResult } from '../test/sim/run.ts'

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    story: { type: 'string' },
    faultless: { type: 'boolean', default: false },
    plant: { type: 'string' },
  },
})
const { faultless } = values
const plant = values.plant === undefined ? undefined : PLANTED_BUGS[values.plant]
const options = { faultless, ...(plant === undefined ? {} : { plant }) }
const print = (line: string): boolean => process.stdout.write(`${line}\n`)

async function main(): Promise<void> {
  if (values.seed !== undefined) await replay(Number(values.seed))
  else await sweep(Number(values.from), Number(values.seeds))
}

async function replay(seed: number): Promise<void> {
  const result = await runSeed(seed, { ...options, keepsLines: true })
  const { story } = values
  for (const line of result.lines) if (story === undefined || line.includes(story)) print(line)
  print(JSON.stringify(result.plan))
  print(verdict(result))
  if (result.failure !== undefined) {
    print(String(result.failure.stack))
    if (result.failure.cause instanceof Error) print(String(result.failure.cause.stack))
    process.exitCode = 1
  }
}

async function sweep(from: number, count: number): Promise<void> {
  const startedAtMs = performance.now()
  const hits = new Map<string, number>()
  let failedCount = 0
  let eventCount = 0
  let virtualMs = 0
  for (let seed = from; seed < from + count; seed += 1) {
    const [first, second] = [await runSeed(seed, options), await runSeed(seed, options)]
    eventCount += first.eventCount + second.eventCount
    virtualMs += first.virtualMs + second.virtualMs
    for (const [probe, hitCount] of first.probes.counts) {
      hits.set(probe, (hits.get(probe) ?? 0) + hitCount)
    }
    const isSame = first.hash === second.hash
    if (first.failure === undefined && isSame) continue
    failedCount += 1
    print(verdict(first) + (isSame ? '' : `: its second run differs, ${second.hash}`))
  }
  const seconds = (performance.now() - startedAtMs) / 1000
  print(
    `${String(count)} seeds, ${String(failedCount)} failed; ${String(eventCount)} events in ` +
      `${seconds.toFixed(1)} s, ${(virtualMs / 1000 / seconds).toFixed(0)} times real time`,
  )
  for (const probe of PROBES) if ((hits.get(probe) ?? 0) === 0) print(`never hit: ${probe}`)
  if (failedCount > 0) process.exitCode = 1
}

function verdict({ seed, hash, failure, eventCount, virtualMs }: RunResult): string {
  const ran = `${String(eventCount)} events, ${(virtualMs / 1000).toFixed(1)} virtual seconds`
  return `seed ${String(seed)} ${hash} (${ran}): ${failure?.message ?? 'ok'}`
}

await main()
