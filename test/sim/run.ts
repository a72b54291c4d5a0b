// One run of one seed, from an empty world to an empty world:
//   1. nodes and drivers start; programs run while faults strike
//   2. faults end; every program must end within HEAL_MS (I9)
//   3. at rest nothing is held; then drivers leave, and nothing at all is left (I5, I10)
import { registry } from '../../runtime/core-worker/registry-system.ts'
import { Draw } from './draw.ts'
import { SimulationFailure } from './failure.ts'
import { crashPoint, injectFaults } from './faults.ts'
import { checkAfterEvent, leftAtEnd, leftAtRest } from './invariants.ts'
import { Ledger } from './ledger.ts'
import { drawPlan, withoutFaults, type Plan } from './plan.ts'
import type { Probes } from './probes.ts'
import { Program } from './program.ts'
import { setTraps } from './trap.ts'
import { setStage } from './workload.ts'
import { World, type SimDriver, type SimNode } from './world.ts'

export interface RunOptions {
  /** Plants a bug once the nodes are there; returns what undoes it. */
  readonly plant?: (world: World) => () => void
  readonly faultless?: boolean
  /** Keeps the lines of the trace. */
  readonly keepsLines?: boolean
}

export interface RunResult<P = Plan> {
  readonly seed: number
  readonly hash: string
  readonly eventCount: number
  readonly virtualMs: number
  readonly plan: P
  readonly probes: Probes
  readonly failure: SimulationFailure | undefined
  readonly lines: readonly string[]
}

/** Virtual time in which everything must end once faults have. */
const HEAL_MS = 300_000
/** Leases, pins and idle workers linger for a moment. */
const REST_MS = 12_000
const REST_STEPS = 12

export async function runSeed(seed: number, options: RunOptions = {}): Promise<RunResult> {
  const draw = new Draw(seed)
  const drawn = drawPlan(draw.fork('plan'))
  const plan = options.faultless === true ? withoutFaults(drawn) : drawn
  const world = new World(draw, plan)
  if (options.keepsLines === true) world.scheduler.trace.lines = []
  const failure = await runWorld(world, draw, {
    ...(options.plant === undefined ? {} : { plant: options.plant }),
    program: (driver, ledger) =>
      new Program(world, driver, { draw: draw.fork(`${driver.process.name} program`), ledger }),
  })
  return resultOf(world, { seed, plan, failure })
}

/** What a run that has ended leaves behind. */
export function resultOf<P>(
  { scheduler, probes }: World,
  run: Pick<RunResult<P>, 'seed' | 'plan' | 'failure'>,
): RunResult<P> {
  return {
    ...run,
    hash: scheduler.trace.hash,
    eventCount: scheduler.eventCount,
    virtualMs: scheduler.nowMs,
    probes,
    lines: scheduler.trace.lines ?? [],
  }
}

/**
 * Runs a seed twice, for the trace must be the same.
 * @returns the first run; it has failed when the second differs.
 */
export function runTwice(seed: number, options: RunOptions = {}): Promise<RunResult> {
  return twice(() => runSeed(seed, options))
}

export async function twice<P>(run: () => Promise<RunResult<P>>): Promise<RunResult<P>> {
  const first = await run()
  const second = await run()
  if (first.hash === second.hash) return first
  const why = first.failure === undefined ? '' : `; the first: ${first.failure.message}`
  const what = `the second run differs, ${second.hash}${why}`
  return { ...first, failure: new SimulationFailure(what, first.virtualMs, first.failure?.cause) }
}

/** What a driver does; `doing` says what it waits for now. */
export interface Script {
  readonly doing: string
  run(): Promise<void>
}

export interface Play {
  readonly plant?: (world: World) => () => void
  program(driver: SimDriver, ledger: Ledger): Script
}

/** @returns what it failed with, if it did; bugs of the simulation itself are thrown. */
export async function runWorld(
  world: World,
  draw: Draw,
  play: Play,
): Promise<SimulationFailure | undefined> {
  let unplant: (() => void) | undefined
  const unplantAny = (): void => unplant?.()
  return await enclosed(
    world,
    () => unplantAny,
    async () => {
      const node = await world.startNode('node1')
      unplant = play.plant?.(world)
      await live(world, draw, { node, play })
      await rest(world)
      await leave(world)
    },
  )
}

/**
 * Nothing of a run gets out, and nothing of the world gets in.
 * @param plant  plants a bug; returns what undoes it.
 * @returns what it failed with, if it did; bugs of the simulation itself are thrown.
 */
export async function enclosed(
  world: World,
  plant: (() => () => void) | undefined,
  run: () => Promise<void>,
): Promise<SimulationFailure | undefined> {
  const endHearing = hearRejections(world)
  const untrap = setTraps()
  const unpool = withoutBufferPool()
  const unplant = plant?.()
  try {
    await run()
    return undefined
  } catch (error) {
    if (error instanceof SimulationFailure) return error
    throw error
  } finally {
    unpool()
    untrap()
    unplant?.()
    endHearing()
    setStage(undefined)
    registry().currentCoreWorker = undefined
  }
}

async function live(
  world: World,
  draw: Draw,
  { node, play }: { readonly node: SimNode; readonly play: Play },
): Promise<void> {
  const { scheduler, plan } = world
  const ledger = new Ledger(world)
  const mayCrash = crashPoint(world, draw.fork('crash points'))
  setStage({ ledger, mayCrash, processOf: (pid) => world.processOf(pid) })
  scheduler.afterEvent = (process) => {
    checkAfterEvent(world, process)
    world.tellWaiters()
  }
  const scripts: Script[] = []
  let endedCount = 0
  const drive = async (name: string): Promise<void> => {
    const driver = await world.startDriver(name, node).catch((error: unknown) => {
      if (node.process.alive) throw error
      return undefined // its raylet was killed before it could connect
    })
    if (driver === undefined) {
      endedCount += 1
      return
    }
    const script = play.program(driver, ledger)
    scripts.push(script)
    const { context } = driver.core.deps
    const killed = new Promise<void>((resolve) => {
      driver.process.whenEnded(() => {
        resolve()
      })
    })
    const ended = context.run(driver.core.rootScope, () => script.run())
    await Promise.race([ended, killed])
    endedCount += 1
  }
  for (let i = 1; i <= plan.driverCount; i += 1) {
    drive(`driver${String(i)}`).catch((error: unknown) => {
      scheduler.fail(
        `driver${String(i)} failed while ${scripts[i - 1]?.doing ?? 'starting'}`,
        error,
      )
    })
  }
  injectFaults(world, draw.fork('faults'))
  const untilMs = plan.faultsEndMs + HEAL_MS
  const ended = await scheduler.run({ untilMs, done: () => endedCount === plan.driverCount })
  if (ended === 'done') return
  const what = scripts.map(({ doing }) => doing).join('; ')
  throw new SimulationFailure(`I9: ${ended}: ${what}`, scheduler.nowMs)
}

/** Time passes and garbage is collected. */
export async function pass(world: World, forMs = REST_MS): Promise<void> {
  const { scheduler } = world
  for (let i = 0; i < REST_STEPS; i += 1) {
    for (const process of world.processes()) {
      scheduler.at(scheduler.nowMs, process, 'collects', () => {
        world.collectorOf(process).sweep()
      })
    }
    const untilMs = scheduler.nowMs + forMs / REST_STEPS
    await scheduler.run({ untilMs, done: () => false })
  }
}

async function rest(world: World): Promise<void> {
  await world.scheduler.run({ untilMs: world.plan.faultsEndMs, done: () => false })
  await pass(world)
  const left = await leftAtRest(world)
  if (left.length > 0) {
    throw new SimulationFailure(`I5: left at rest: ${left.join('; ')}`, world.scheduler.nowMs)
  }
}

async function leave(world: World): Promise<void> {
  driversLeave(world)
  await pass(world)
  const left = leftAtEnd(world)
  if (left.length > 0) {
    throw new SimulationFailure(`I10: left at the end: ${left.join('; ')}`, world.scheduler.nowMs)
  }
}

/** Soon. */
export function driversLeave({ drivers, scheduler }: World): void {
  for (const { process, core } of drivers) {
    scheduler.at(scheduler.nowMs, process, 'leaves', () => {
      void core.close()
      process.later(100, 'exits', () => {
        process.end({ code: 0, signal: null })
      })
    })
  }
}

/** Where in Node's pool a small Buffer lies shows in its encoding, and depends on earlier runs. */
function withoutBufferPool(): () => void {
  const { poolSize } = Buffer
  Buffer.poolSize = 0
  return () => {
    Buffer.poolSize = poolSize
  }
}

/** I10: a rejection that nobody handles is a failure of the run, not of this process. */
function hearRejections(world: World): () => void {
  const before = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  const hear = (reason: unknown): void => {
    world.scheduler.fail('I10: nobody handled a rejection', reason)
  }
  process.on('unhandledRejection', hear)
  return () => {
    process.off('unhandledRejection', hear)
    for (const listener of before) process.on('unhandledRejection', listener)
  }
}
