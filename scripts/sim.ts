// `npm run sim`: the deterministic simulation, seed by seed, twice each; or one seed and its story.
// Prints the rate, the failures and the probes that nothing hit. Ends with 1 when a seed fails, or
// when as many seeds as hit every probe left one out; with 2 when it cannot be run as asked.
import { parseArgs } from 'node:util'
import { PLANTED_BUGS_OF_PARTS } from '../test/sim/nodes/planted-bugs-of-parts.ts'
import { NODES_PLANTED_BUGS } from '../test/sim/nodes/planted-bugs.ts'
import { PART_NAMES, type PartName } from '../test/sim/nodes/plan.ts'
import { runNodesSeed } from '../test/sim/nodes/run.ts'
import { PLANTED_BUGS } from '../test/sim/planted-bugs.ts'
import {
  NODES_PROBES,
  PART_PROBES,
  Probes,
  SEEDS_THAT_HIT_EVERY_PROBE,
} from '../test/sim/probes.ts'
import { runSeed, twice, type RunResult } from '../test/sim/run.ts'
import { scale } from './sim-scale.ts'

interface SimOptions {
  readonly run: (seed: number, keepsLines: boolean) => Promise<RunResult<unknown>>
  /** The ones that the seeds must hit. */
  readonly probes: Probes
  readonly faultless: boolean
  /** The one to replay. */
  readonly seed: number | undefined
  readonly story: string | undefined
  readonly from: number
  readonly seedCount: number
  readonly scale: boolean
}

const USAGE = `npm run sim -- [options]
  --seeds N     so many seeds, twice each (${SEEDS_THAT_HIT_EVERY_PROBE})
  --from N      the first of them (1)
  --seed N      replays one, once, and prints its lines
  --story NAME  with --seed: only what happened to one task, object, actor or process
  --faultless   without faults
  --plant BUG   with a bug planted; a wrong name lists them
  --nodes       clusters of several nodes, not of one
  --parts LIST  with --nodes: drivers use these beside tasks, by comma: ${PART_NAMES.join(',')}
  --rests       with --nodes: programs end, and what is left of them is judged
  --scale       a thousand nodes with a million tasks, and nothing else
  --help        this text
`

const print = (line: string): boolean => process.stdout.write(`${line}\n`)

/** @throws Error that says what to give instead. */
function parseSimOptions(): SimOptions | 'help' {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: String(SEEDS_THAT_HIT_EVERY_PROBE) },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      story: { type: 'string' },
      faultless: { type: 'boolean', default: false },
      plant: { type: 'string' },
      nodes: { type: 'boolean', default: false },
      rests: { type: 'boolean', default: false },
      parts: { type: 'string', default: '' },
      scale: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const { faultless, story, plant, seed, nodes, rests } = values
  if (!nodes && (rests || values.parts !== '')) {
    throw new Error('--parts and --rests are of clusters of several nodes: give --nodes, too.')
  }
  if (story !== undefined && seed === undefined) {
    throw new Error('--story is of one seed: give --seed, too.')
  }
  return {
    ...(nodes
      ? severalNodes({ faultless, rests, plantName: plant, parts: partNames(values.parts) })
      : oneNode(faultless, plant)),
    faultless,
    scale: values.scale,
    seed: seed === undefined ? undefined : wholeNumber('--seed', seed, 0),
    story,
    from: wholeNumber('--from', values.from, 0),
    seedCount: wholeNumber('--seeds', values.seeds, 1),
  }
}

type Simulated = Pick<SimOptions, 'run' | 'probes'>

function oneNode(faultless: boolean, plantName: string | undefined): Simulated {
  const plant = plantedBug(PLANTED_BUGS, plantName)
  return {
    probes: new Probes(),
    run: (seed, keepsLines) => runSeed(seed, { faultless, keepsLines, ...(plant && { plant }) }),
  }
}

function severalNodes({
  faultless,
  rests,
  plantName,
  parts,
}: {
  readonly faultless: boolean
  readonly rests: boolean
  readonly plantName: string | undefined
  readonly parts: readonly PartName[]
}): Simulated {
  const ofParts = Object.values(PLANTED_BUGS_OF_PARTS)
  const bugs = Object.assign({}, NODES_PLANTED_BUGS, ...ofParts) as typeof NODES_PLANTED_BUGS
  const plant = plantedBug(bugs, plantName)
  return {
    probes: new Probes([...NODES_PROBES, ...parts.flatMap((part) => PART_PROBES[part])]),
    run: (seed, keepsLines) =>
      runNodesSeed(seed, { faultless, rests, keepsLines, parts, ...(plant && { plant }) }),
  }
}

function plantedBug<T>(bugs: Readonly<Record<string, T>>, name: string | undefined): T | undefined {
  if (name === undefined) return undefined
  const plant = Object.hasOwn(bugs, name) ? bugs[name] : undefined
  if (plant !== undefined) return plant
  const names = Object.keys(bugs).map((each) => `  ${each}\n`)
  throw new Error(`--plant takes one of these bugs, not '${name}':\n${names.join('')}`.trimEnd())
}

function partNames(text: string): readonly PartName[] {
  const names = text.split(',').filter((name) => name !== '')
  const known = names.flatMap((name) => PART_NAMES.filter((each) => each === name))
  if (known.length === names.length) return known
  throw new Error(`--parts takes some of ${PART_NAMES.join(', ')}, with commas, not '${text}'.`)
}

function wholeNumber(option: string, text: string, min: number): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= min) return value
  throw new Error(`${option} takes a whole number of at least ${String(min)}, not '${text}'.`)
}

/** @returns whether the seed ended well. */
async function replay(seed: number, { run, story }: SimOptions): Promise<boolean> {
  const result = await run(seed, true)
  for (const line of result.lines) if (story === undefined || line.includes(story)) print(line)
  print(JSON.stringify(result.plan))
  print(verdict(result))
  if (result.failure === undefined) return true
  print(String(result.failure.stack))
  if (result.failure.cause instanceof Error) print(String(result.failure.cause.stack))
  return false
}

/** @returns whether all seeds ended well, and did not leave out a fault. */
async function sweep({ run, probes, faultless, from, seedCount }: SimOptions): Promise<boolean> {
  const startedAtMs = performance.now()
  let failedCount = 0
  let eventCount = 0
  let virtualMs = 0
  for (let seed = from; seed < from + seedCount; seed += 1) {
    const result = await twice(() => run(seed, false))
    eventCount += result.eventCount
    virtualMs += result.virtualMs
    probes.add(result.probes)
    if (result.failure === undefined) continue
    failedCount += 1
    print(verdict(result))
  }
  const seconds = (performance.now() - startedAtMs) / 1000
  print(
    `${String(seedCount)} seeds, ${String(failedCount)} failed; twice ${String(eventCount)} ` +
      `events in ${seconds.toFixed(1)} s, ` +
      `${((2 * virtualMs) / 1000 / seconds).toFixed(0)} times real time`,
  )
  if (faultless) return failedCount === 0
  const neverHit = probes.neverHit()
  for (const probe of neverHit) print(`never hit: ${probe}`)
  const hitsEnough = neverHit.length === 0 || seedCount < SEEDS_THAT_HIT_EVERY_PROBE
  if (!hitsEnough) print(`${String(seedCount)} seeds must hit every probe: a fault was not tested`)
  return failedCount === 0 && hitsEnough
}

function verdict({ seed, hash, failure, eventCount, virtualMs }: RunResult<unknown>): string {
  const ran = `${String(eventCount)} events, ${(virtualMs / 1000).toFixed(1)} virtual seconds`
  return `seed ${String(seed)} ${hash} (${ran}): ${failure?.message ?? 'ok'}`
}

async function main(): Promise<number> {
  let options: SimOptions | 'help'
  try {
    options = parseSimOptions()
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    return 2
  }
  if (options === 'help') {
    process.stdout.write(USAGE)
    return 0
  }
  const { seed } = options
  if (options.scale) {
    await scale(print)
    return 0
  }
  return (await (seed === undefined ? sweep(options) : replay(seed, options))) ? 0 : 1
}

process.exitCode = await main()
