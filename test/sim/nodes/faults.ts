// Faults that strike a cluster of several nodes at random moments until they end. So many nodes
// stay well that each has two watchers, and what alone must kill nobody never comes together with
// what does: a node that neither peers nor the GCS hear of for a whole lease is dead by right.
import { LEASE_MS } from '../../../runtime/gcs/lease-terms.ts'
import type { Draw } from '../draw.ts'
import { killWorker, strikeDead } from '../faults.ts'
import { endFaultsWithin } from '../plan.ts'
import type { Cluster } from './cluster.ts'
import type { SimMember } from './member.ts'
import type { NodesFaultRates } from './plan.ts'
import { SLICE_MS, slowDown } from './slow.ts'

const PARTITION_MS = 5_000
const CUT_MS_MAX = 45_000
/** Others find a node gone that stands still for a lease less a heartbeat: within that it lives. */
const SHORT_PAUSE_MS = 6_000
const RESTART_MS_MAX = 30_000
const SLOW_MS_MIN = 5_000
const SLOW_MS_MAX = 25_000
const NEXT_DRIVER_MS_MAX = 5_000
/** Longer than any run. */
const FOREVER_MS = 1e9
/** Between two faults that must not become one. */
const GAP_MS = 20_000

export function injectNodesFaults(cluster: Cluster, draw: Draw): void {
  const faults = new NodesFaults(cluster, draw)
  const { scheduler } = cluster.world
  const { faults: rates, faultsEndMs } = cluster.plan
  for (const [name, strike] of Object.entries(faults.strikes)) {
    const meanMs = rates[name as keyof NodesFaultRates]
    if (meanMs === Infinity) continue
    const own = draw.fork(name)
    const next = (): void => {
      const atMs = scheduler.nowMs - Math.log(1 - own.next()) * meanMs
      if (atMs >= faultsEndMs) return
      scheduler.at(atMs, undefined, name, () => {
        strike()
        next()
      })
    }
    next()
  }
  scheduler.at(faultsEndMs, undefined, 'faults end', () => {
    faults.end()
  })
}

class NodesFaults {
  readonly #cluster: Cluster
  readonly #draw: Draw
  /** Links of whole nodes are cut one at a time. */
  #linksBusyUntilMs = 0
  #outageUntilMs = 0
  #bucketUntilMs = 0
  #ended = false

  constructor(cluster: Cluster, draw: Draw) {
    this.#cluster = cluster
    this.#draw = draw
  }

  readonly strikes: Record<keyof NodesFaultRates, () => void> = {
    breakMs: () => {
      this.#break()
    },
    partitionMs: () => {
      this.#partition()
    },
    pairCutMs: () => {
      this.#cutPair()
    },
    oneWayMs: () => {
      this.#cutOneWay()
    },
    isolateMs: () => {
      this.#isolate()
    },
    gcsCutMs: () => {
      this.#cutFromGcs()
    },
    aloneMs: () => {
      this.#cutFromGcsAndOne()
    },
    outageMs: () => {
      this.#outage()
    },
    killMs: () => {
      this.#kill()
    },
    pauseMs: () => {
      this.#pause()
    },
    slowMs: () => {
      this.#slowDown()
    },
    drainMs: () => {
      this.#drain()
    },
    killWorkerMs: () => {
      killWorker(this.#cluster.world, this.#draw)
    },
    killDriverMs: () => {
      this.#killDriver()
    },
    bucketMs: () => {
      this.#takeBucketAway()
    },
  }

  end(): void {
    this.#ended = true
    const { world, plan, members } = this.#cluster
    world.network.quality.spikeChance = 0
    endFaultsWithin(plan.node)
    for (const { disk } of members) Object.assign(disk, { failChance: 0, damageChance: 0 })
    this.#setChances()
  }

  get #nowMs(): number {
    return this.#cluster.world.scheduler.nowMs
  }

  #note(who: string, what: string): void {
    this.#cluster.world.scheduler.trace.add(this.#nowMs, who, what)
  }

  #hit(probe: Parameters<Cluster['world']['probes']['hit']>[0]): void {
    this.#cluster.world.probes.hit(probe)
  }

  #at(atMs: number, what: string, run: () => void): void {
    this.#cluster.world.scheduler.at(atMs, undefined, what, run)
  }

  #pick(from: readonly SimMember[]): SimMember | undefined {
    return from.length === 0 ? undefined : this.#draw.pick(from)
  }

  /** One of those that are well, as long as enough others are. */
  #victim(): SimMember | undefined {
    const well = this.#cluster.well()
    return well.length > this.#cluster.plan.wellMin ? this.#pick(well) : undefined
  }

  /** Nobody hears anything of the other side until then, and then all of it. */
  #hold(a: SimMember, b: SimMember, forMs: number): void {
    this.#cluster.world.network.holdMachines(a.machine, b.machine, forMs)
    this.#cluster.lastsUntil(this.#nowMs + forMs)
  }

  #takesLinks(forMs: number): boolean {
    if (this.#nowMs < this.#linksBusyUntilMs) return false
    this.#linksBusyUntilMs = this.#nowMs + forMs + GAP_MS
    return true
  }

  #break(): void {
    const [a, b] = [this.#pick(this.#cluster.serving()), this.#pick(this.#cluster.serving())]
    if (a === undefined || b === undefined || a === b) return
    this.#hit('a connection between nodes breaks')
    this.#cluster.world.network.cut(a.process, b.process)
  }

  #partition(): void {
    if (!this.#takesLinks(PARTITION_MS)) return
    this.#hit('a partition of 5 s')
    const sides = this.#cluster.serving().map((member) => [member, this.#draw.chance(0.5)] as const)
    for (const [a, left] of sides) {
      for (const [b, right] of sides) if (left && !right) this.#hold(a, b, PARTITION_MS)
    }
  }

  #cutPair(): void {
    const forMs = this.#draw.between(this.#cluster.plan.cutMsMin, CUT_MS_MAX)
    const [a, b] = [this.#pick(this.#cluster.serving()), this.#pick(this.#cluster.serving())]
    if (a === undefined || b === undefined || a === b || !this.#takesLinks(forMs)) return
    this.#hit('two nodes are cut off from each other')
    this.#note(a.machine, `is cut off from ${b.machine}`)
    this.#hold(a, b, forMs)
  }

  /** Of two nodes one hears the other, or of one and all others; what it says does not arrive. */
  #cutOneWay(): void {
    const forMs = this.#draw.between(this.#cluster.plan.cutMsMin, CUT_MS_MAX)
    const member = this.#pick(this.#cluster.well().filter((each) => this.#isHeard(each)))
    const other = this.#pick(this.#cluster.serving())
    if (member === undefined || other === undefined || member === other) return
    if (!this.#takesLinks(forMs)) return
    const isAll = this.#draw.chance(0.5)
    this.#hit(isAll ? 'the links of a node carry one way only' : 'a link carries one way only')
    if (isAll) member.isolatedUntilMs = this.#nowMs + forMs
    this.#holdOneWay(member, isAll ? this.#cluster.members : [other], forMs)
  }

  #holdOneWay(member: SimMember, others: readonly SimMember[], forMs: number): void {
    const { network } = this.#cluster.world
    const isMute = this.#draw.chance(0.5)
    const whom = others.map(({ machine }) => machine).join()
    this.#note(member.machine, isMute ? `is not heard by ${whom}` : `does not hear ${whom}`)
    for (const { machine } of others) {
      if (machine === member.machine) continue
      if (isMute) network.holdOneWay(member.machine, machine, forMs)
      else network.holdOneWay(machine, member.machine, forMs)
    }
    this.#cluster.lastsUntil(this.#nowMs + forMs)
  }

  /** The GCS hears of it. */
  #isHeard({ gcsCutUntilMs, quality }: SimMember): boolean {
    return gcsCutUntilMs + GAP_MS < this.#nowMs && quality.failChance <= 0.01
  }

  /** F14: it writes its row, so nobody may say that it is dead. */
  #isolate(): void {
    const member = this.#pick(this.#cluster.well().filter((each) => this.#isHeard(each)))
    const forMs = this.#draw.between(this.#cluster.plan.cutMsMin, CUT_MS_MAX)
    if (member === undefined || !this.#takesLinks(forMs)) return
    this.#hit('a node is cut off from all others')
    this.#note(member.machine, 'is isolated')
    member.isolatedUntilMs = this.#nowMs + forMs
    for (const other of this.#cluster.members)
      if (other !== member) this.#hold(member, other, forMs)
  }

  /** F15. */
  #cutFromGcs(): void {
    const isReached = (member: SimMember): boolean => member.isolatedUntilMs + GAP_MS < this.#nowMs
    const member = this.#pick(this.#cluster.serving().filter(isReached))
    if (member === undefined || this.#nowMs < this.#linksBusyUntilMs - GAP_MS) return
    const untilMs = this.#nowMs + this.#draw.between(1_000, CUT_MS_MAX)
    this.#hit('a node is cut off from the GCS')
    this.#cutGcs(member, untilMs)
  }

  /** WA1: one other that hears nothing of it either is not enough to say that it is dead. */
  #cutFromGcsAndOne(): void {
    const isHeard = (each: SimMember): boolean => each.isolatedUntilMs + GAP_MS < this.#nowMs
    const member = this.#pick(this.#cluster.well().filter(isHeard))
    const other = this.#pick(this.#cluster.well())
    const forMs = this.#draw.between(LEASE_MS, CUT_MS_MAX)
    if (member === undefined || other === undefined || member === other) return
    if (!this.#takesLinks(forMs)) return
    this.#hit('a node is cut off from the GCS and from one other')
    this.#note(member.machine, `is cut off from ${other.machine}`)
    this.#hold(member, other, forMs)
    this.#cutGcs(member, this.#nowMs + forMs)
  }

  #cutGcs(member: SimMember, untilMs: number): void {
    this.#note(member.machine, 'is cut off from the GCS')
    member.gcsCutUntilMs = Math.max(member.gcsCutUntilMs, untilMs)
    this.#setChances()
    this.#cluster.lastsUntil(untilMs)
    this.#at(untilMs, 'reaches the GCS again', () => {
      this.#setChances()
    })
  }

  #outage(): void {
    const forMs = this.#draw.between(500, CUT_MS_MAX)
    this.#hit('the GCS is away')
    if (forMs > LEASE_MS) this.#hit('the GCS is away for longer than a lease')
    this.#outageUntilMs = Math.max(this.#outageUntilMs, this.#nowMs + forMs)
    this.#setChances()
    this.#cluster.lastsUntil(this.#outageUntilMs)
    this.#at(this.#nowMs + forMs, 'the GCS is back', () => {
      this.#setChances()
    })
  }

  #setChances(): void {
    const { plan, members } = this.#cluster
    const usual = this.#ended ? 0 : plan.failChance
    const usualOfBucket = this.#ended ? 0 : (plan.bucket?.failChance ?? 0)
    for (const { quality, gcsCutUntilMs, bucket } of members) {
      bucket.failChance = this.#nowMs < this.#bucketUntilMs ? 1 : usualOfBucket
      const away = this.#nowMs < Math.max(this.#outageUntilMs, gcsCutUntilMs)
      quality.failChance = away ? 1 : usual
    }
  }

  #kill(): void {
    const member = this.#victim()
    if (member === undefined) return
    const isPower = this.#draw.chance(0.5)
    this.#hit(isPower ? 'a machine loses its power' : 'a raylet is killed')
    if (isPower) {
      for (const { machine } of this.#cluster.members) {
        if (machine !== member.machine) {
          this.#cluster.world.network.holdMachines(machine, member.machine, FOREVER_MS)
        }
      }
      for (const each of this.#cluster.world.processes()) {
        if (each.name.startsWith(`${member.machine}/`)) this.#cluster.world.crash(each)
      }
    }
    this.#cluster.world.crash(member.process)
    this.#restartSoon(member)
  }

  #restartSoon(member: SimMember): void {
    const atMs = this.#nowMs + this.#draw.between(500, RESTART_MS_MAX)
    this.#cluster.lastsUntil(atMs)
    this.#at(atMs, 'starts anew', () => {
      this.#hit('a dead node starts anew')
      this.#cluster.start(member.id)
    })
  }

  #pause(): void {
    const member = this.#victim()
    if (member === undefined) return
    const isShort = this.#draw.chance(0.5)
    const forMs = isShort
      ? this.#draw.between(500, SHORT_PAUSE_MS)
      : this.#draw.between(SHORT_PAUSE_MS, this.#cluster.plan.pauseMsMax)
    this.#hit(isShort ? 'a node is paused within its lease' : 'a node is paused past its lease')
    this.#note(member.machine, `is paused for ${forMs.toFixed(0)} ms`)
    const untilMs = this.#nowMs + forMs
    member.pausedUntilMs = untilMs
    if (!isShort) member.mayDie(untilMs)
    member.process.pause(forMs)
    this.#cluster.lastsUntil(untilMs)
    if (!isShort) this.#afterPause(member, untilMs)
  }

  /** A node that was declared dead meanwhile starts anew, at times before it wakes up. */
  #afterPause(member: SimMember, untilMs: number): void {
    const restart = (): void => {
      if (!this.#cluster.witness.isOver(member)) return
      if (
        this.#cluster.newest().some(({ id, epoch }) => id === member.id && epoch > member.epoch)
      ) {
        return
      }
      if (this.#nowMs < untilMs) this.#hit('a node that was declared dead wakes up')
      this.#hit('a dead node starts anew')
      this.#cluster.start(member.id)
    }
    const earlyMs = untilMs - this.#draw.between(0, 5_000)
    // Else it wakes up to a row that says that it is dead.
    if (this.#draw.chance(0.5)) this.#at(earlyMs, 'starts beside its former life', restart)
    this.#at(untilMs + this.#draw.between(5_000, 15_000), 'starts after its former life', restart)
    this.#cluster.lastsUntil(untilMs + 15_000)
  }

  #takeBucketAway(): void {
    if (this.#cluster.plan.bucket === undefined) return
    this.#hit('the bucket is away')
    const forMs = this.#draw.between(500, CUT_MS_MAX)
    this.#bucketUntilMs = Math.max(this.#bucketUntilMs, this.#nowMs + forMs)
    this.#cluster.lastsUntil(this.#bucketUntilMs)
    this.#setChances()
    this.#at(this.#bucketUntilMs, 'the bucket is back', () => {
      this.#setChances()
    })
  }

  /** It alone: its node starts another one soon. */
  #killDriver(): void {
    const member = this.#pick(this.#cluster.serving())
    const { node, driver } = member ?? {}
    if (member === undefined || node === undefined || driver?.alive !== true) return
    strikeDead(this.#cluster.world, driver, 'a driver is killed')
    const atMs = this.#nowMs + this.#draw.between(0, NEXT_DRIVER_MS_MAX)
    this.#at(atMs, `the next driver of ${member.machine} starts`, () => {
      if (!member.isServing) return
      this.#cluster.drive(member, node).catch((error: unknown) => {
        this.#note(member.machine, `has no driver: ${String(error)}`)
      })
    })
  }

  /** F11: for longer than it takes to notice. */
  #slowDown(): void {
    // Twice at once it would stand still.
    const isWell = ({ slowUntilMs }: SimMember): boolean => slowUntilMs < this.#nowMs
    const member = this.#pick(this.#cluster.serving().filter(isWell))
    if (member === undefined) return
    const untilMs = this.#nowMs + this.#draw.between(SLOW_MS_MIN, SLOW_MS_MAX)
    this.#hit('a node gets too little time')
    member.slowUntilMs = untilMs + SLICE_MS
    slowDown(this.#cluster, member, untilMs)
    this.#cluster.lastsUntil(untilMs)
  }

  #drain(): void {
    const member = this.#victim()
    if (member === undefined) return
    this.#hit('a node is drained')
    this.#note(member.machine, 'is drained')
    this.#cluster.drain(member, this.#draw.fork(member.machine))
    this.#cluster.lastsUntil(this.#nowMs + CUT_MS_MAX)
  }
}
