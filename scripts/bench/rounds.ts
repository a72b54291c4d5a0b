// Contestants in one workload, round by round in turn, so that what else the machine does meanwhile
// falls on all of them alike; who goes first moves on with every round. It is the same for columns
// of the bench and for two commits (compare/), so that a row means the same in both.
import type { ContenderCommand, ContenderProcess, Parts } from './contender-process.ts'
import { startContender } from './contender-process.ts'
import { startNeighbour } from './neighbour.ts'
import { inUnit, partOf, type Row, workloadOf } from './rows.ts'

export interface Contestant<Name> {
  readonly name: Name
  readonly command: ContenderCommand
}

export interface Rounds<Name> {
  /** What each answered, by round. */
  readonly rounds: ReadonlyMap<Name, readonly Parts[]>
  /** Why a contestant has no such row. */
  readonly missing: ReadonlyMap<Name, string>
  /** What went wrong, by contestant. */
  readonly errors: ReadonlyMap<Name, string>
}

export interface RoundOptions {
  /** How long a round is; a warm-up is half of one, and a second at least. */
  readonly seconds: number
  readonly roundCount: number
}

interface Running<Name> {
  readonly name: Name
  readonly process: ContenderProcess
  readonly rounds: Parts[]
}

/**
 * Source: Ray ray_microbenchmark_helpers.py (timeit). In less, V8 has not compiled what several
 * processes run, and the row tells of that.
 */
const WARM_SECONDS_MIN = 1
/** Six or seven processes on two cores: each has as long as one alone has in that. */
const WARM_SECONDS_OF_SEVERAL = 4

/** @param row any of its workload: how it is to be measured. */
export async function measureRounds<Name>(
  row: Row,
  contestants: readonly Contestant<Name>[],
  options: RoundOptions,
): Promise<Rounds<Name>> {
  const neighbour = row.neighbour === true ? startNeighbour() : undefined
  try {
    if (row.alone !== true) return await measureTogether(row, contestants, options)
    const each: Rounds<Name>[] = []
    for (const contestant of contestants) {
      each.push(await measureTogether(row, [contestant], options))
    }
    return {
      rounds: new Map(each.flatMap(({ rounds }) => [...rounds])),
      missing: new Map(each.flatMap(({ missing }) => [...missing])),
      errors: new Map(each.flatMap(({ errors }) => [...errors])),
    }
  } finally {
    neighbour?.end()
  }
}

/** The rounds' values of one row, in its unit; none when they have no such part. */
export function samplesOf(row: Row, rounds: readonly Parts[]): number[] {
  const values = rounds.flatMap((parts) => parts[partOf(row)] ?? [])
  return values.map((value) => inUnit(row, value))
}

async function measureTogether<Name>(
  row: Row,
  contestants: readonly Contestant<Name>[],
  { seconds, roundCount }: RoundOptions,
): Promise<Rounds<Name>> {
  const missing = new Map<Name, string>()
  const errors = new Map<Name, string>()
  let running: Running<Name>[] = []
  const attempt = async (name: Name, work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      errors.set(name, error instanceof Error ? error.message : String(error))
      running = running.filter((each) => each.name !== name)
    }
  }
  await Promise.all(
    contestants.map(({ name, command }) =>
      attempt(name, async () => {
        const process = await startContender(command, workloadOf(row))
        if (process.missing === undefined) running.push({ name, process, rounds: [] })
        else {
          missing.set(name, process.missing)
          await process.end()
        }
      }),
    ),
  )
  // In their order, whoever was up first.
  const order = contestants.map(({ name }) => name)
  running.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name))
  const started = [...running]
  for (const { name, process } of started) {
    if (row.measure === 'sample') continue
    const least = row.several === true ? WARM_SECONDS_OF_SEVERAL : WARM_SECONDS_MIN
    const warmSeconds = Math.max(least, seconds / 2)
    await attempt(name, async () => void (await process.ask('warm', warmSeconds)))
  }
  for (let round = 0; round < roundCount; round += 1) {
    for (const each of rotated(running, round)) {
      await attempt(each.name, async () => {
        // Ray ends idle workers after a second, Virga some: its rounds would tell of their starts.
        if (row.several === true) await each.process.ask('warm', WARM_SECONDS_MIN)
        each.rounds.push(await each.process.ask('round', seconds))
      })
    }
  }
  await Promise.all(started.map(({ name, process }) => attempt(name, () => process.end())))
  return { rounds: new Map(running.map((each) => [each.name, each.rounds])), missing, errors }
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const at = items.length === 0 ? 0 : by % items.length
  return [...items.slice(at), ...items.slice(0, at)]
}
