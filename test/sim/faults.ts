// Faults at random moments, as often as the plan says, until they end and the cluster must heal.
import type { Draw } from './draw.ts'
import { endFaultsWithin } from './plan.ts'
import type { Probe } from './probes.ts'
import type { SimProcess } from './process.ts'
import type { World } from './world.ts'

const PAUSE_MS_MAX = 2_000
const STALL_MS_MAX = 1_500
const OUTAGE_MS_MAX = 3_000

export function injectFaults(world: World, draw: Draw): void {
  const { faults, faultsEndMs } = world.plan
  const repeat = (name: string, meanMs: number, strike: () => void): void => {
    if (meanMs === Infinity) return
    const own = draw.fork(name)
    const next = (): void => {
      const atMs = world.scheduler.nowMs - Math.log(1 - own.next()) * meanMs
      if (atMs >= faultsEndMs) return
      world.scheduler.at(atMs, undefined, name, () => {
        strike()
        next()
      })
    }
    next()
  }
  once(world, faults.killRayletAtMs, () => {
    const [node] = world.nodes
    if (node !== undefined) strikeDead(world, node.process, 'a raylet is killed')
  })
  once(world, faults.killDriverAtMs, () => {
    const driver = world.drivers.at(-1)
    if (driver !== undefined) strikeDead(world, driver.process, 'a driver is killed')
  })
  repeat('kills a worker', faults.killWorkerMs, () => {
    killWorker(world, draw)
  })
  repeat('pauses a process', faults.pauseMs, () => {
    const victim = draw.pick(processesOf(world))
    world.probes.hit('a process is paused')
    world.scheduler.trace.add(world.scheduler.nowMs, victim.name, 'is paused')
    victim.pause(draw.between(0, PAUSE_MS_MAX))
  })
  repeat('stalls a link', faults.stallMs, () => {
    const all = processesOf(world)
    world.probes.hit('a link stalls')
    world.network.hold(draw.pick(all), draw.pick(all), draw.between(0, STALL_MS_MAX))
  })
  repeat('takes the GCS away', faults.outageMs, () => {
    const { storage } = world.plan
    const before = storage.failChance
    if (before === 1) return
    world.probes.hit('the GCS is away')
    storage.failChance = 1
    world.scheduler.at(
      world.scheduler.nowMs + draw.between(0, OUTAGE_MS_MAX),
      undefined,
      'the GCS is back',
      () => {
        storage.failChance = world.scheduler.nowMs >= faultsEndMs ? 0 : before
      },
    )
  })
  world.scheduler.at(faultsEndMs, undefined, 'faults end', () => {
    const { link, storage } = world.plan
    storage.failChance = 0
    link.spikeChance = 0
    endFaultsWithin(world.plan)
  })
}

function once(world: World, atMs: number, strike: () => void): void {
  if (atMs < world.plan.faultsEndMs) world.scheduler.at(atMs, undefined, 'kills', strike)
}

export function strikeDead(world: World, process: SimProcess, probe: Probe): void {
  world.probes.hit(probe)
  world.crash(process)
}

export function killWorker(world: World, draw: Draw): void {
  const workers = world.workers()
  if (workers.length === 0) return
  const { process, core } = draw.pick(workers)
  if (core === undefined) world.probes.hit('a worker is killed before it is up')
  else if ((core.execution?.executor.runningCount ?? 0) > 0) {
    world.probes.hit('a worker is killed while it runs a task')
  } else world.probes.hit('an idle worker is killed')
  world.crash(process)
}

function processesOf(world: World): SimProcess[] {
  const drivers = world.drivers.map(({ process }) => process)
  const raylets = world.nodes.map(({ process }) => process)
  return [...raylets, ...drivers, ...world.workers().map(({ process }) => process)]
}

/** At the start and the end of what a task does: the moments that matter most. */
export function crashPoint(world: World, draw: Draw): (process: SimProcess) => void {
  return (process) => {
    const { crashChance } = world.plan.faults
    if (crashChance === 0 || !draw.chance(crashChance)) return
    if (draw.chance(0.5)) {
      world.probes.hit('a worker dies after an effect, before its reply')
      world.crash(process)
      return
    }
    process.later(0, 'is about to die', () => {
      world.probes.hit('a worker dies right after its reply')
      world.crash(process)
    })
  }
}
