// What must be true after every event of a simulated run, and what must be left at its end.
//   I1, I2, I6, I10  judged by ledger.ts and program.ts on what users see
//   I3, I4, R1-R8    the raylet's brain: check.ts
//   T1-T3            the object store: store-check.ts; mapped pages: memory.ts
//   I5, I9           at rest: nothing is held, stored, lent or waited for
import { assert } from '../../runtime/common/assert.ts'
import { isFree } from '../../runtime/gcs/names.ts'
import { check } from '../../runtime/raylet/check.ts'
import type { RayletState } from '../../runtime/raylet/state.ts'
import { toHex } from '../../runtime/common/ids.ts'
import type { SimProcess } from './process.ts'
import { SHARED_NAMESPACE } from './workload.ts'
import type { SimWorker } from './launcher.ts'
import type { SimDriver, SimNode, World } from './world.ts'

/** Looking at all mapped pages is dear: once in so many events. */
const PAGES_EVERY = 64

export function checkAfterEvent(world: World, process: SimProcess | undefined): void {
  for (const node of world.nodes) {
    if (node.process !== process) continue
    check(node.raylet.state)
    checkNames(node.raylet.state)
    node.store?.check()
  }
  if (world.scheduler.eventCount % PAGES_EVERY === 0) {
    for (const { arena } of world.nodes) arena.verify()
  }
}

/** I6: a name has one living actor. */
function checkNames(state: RayletState): void {
  const holders = new Set<string>()
  for (const { spec, phase, named } of state.actors.values()) {
    if (!named || phase === 'DEAD') continue
    const name = `${spec.namespace ?? ''}/${spec.name ?? ''}`
    assert(!holders.has(name), `I6: two living actors are named ${name}`)
    holders.add(name)
  }
}

/** I5, I9: programs have ended and some time has passed; their drivers are still connected. */
export async function leftAtRest(world: World): Promise<string[]> {
  const taken = await Promise.all(
    namespacesOf(world).map((namespace) => world.storage.query('cluster', `NAME#${namespace}`)),
  )
  const held = taken.flat().filter((row) => !isFree(row))
  const rows = held.map(({ key }) => `the name ${key.sk} is taken`)
  const nodes = world.nodes.filter(({ process }) => process.alive)
  const drivers = world.drivers.filter(({ process }) => process.alive)
  // Names outlive the raylet that would have released them.
  const names = nodes.length < world.nodes.length ? [] : rows
  return [...names, ...nodes.flatMap((node) => leftAtNode(node)), ...drivers.flatMap(leftAtDriver)]
}

const namespacesOf = (world: World): string[] => [
  SHARED_NAMESPACE,
  ...world.drivers.map(({ core }) => core.namespace),
]

/** @param isKept  objects that are there by right. */
export function leftAtNode(
  { name, raylet, store, disk, arena, workers }: SimNode,
  isKept: (objectId: string) => boolean = () => false,
): string[] {
  const { state } = raylet
  const left: string[] = []
  const expect = (what: string, count: number): void => {
    if (count > 0) left.push(`${name}: ${String(count)} ${what}`)
  }
  expect('leases', state.leases.size)
  expect('waits', state.waits.size)
  expect('groups', [...state.groups.values()].filter((group) => group.state !== 'REMOVED').length)
  const actors = [...state.actors.values()].filter((actor) => actor.phase !== 'DEAD')
  expect(`living actors (${actors.map(({ phase }) => phase).join()})`, actors.length)
  const out = [...state.limiters.values()].flatMap((each) => [...each.out.values()])
  expect(
    'limiter tokens',
    out.reduce((sum, count) => sum + count, 0),
  )
  for (const [resource, total] of Object.entries(state.config.totals)) {
    const free = state.ledger.free[resource] ?? 0
    if (free !== total)
      left.push(`I4: ${name}: ${resource} ${String(free)} of ${String(total)} free`)
  }
  const stored = store?.list() ?? []
  const objects = stored.filter(({ objectId }) => !isKept(objectId))
  expect(`objects (${objects.slice(0, 3).map(showObject).join()})`, objects.length)
  expect('requests that wait for the store', store?.stats().waitingCount ?? 0)
  if (stored.length === objects.length) expect('bytes spilled', disk.memory.files.usedBytes)
  expect('mappings', arena.mappingCount)
  return [...left, ...workers.filter(({ process }) => process.alive).flatMap(leftAtWorker)]
}

function leftAtWorker({ process, core }: SimWorker): string[] {
  if (core === undefined) return []
  const running = core.execution?.executor.runningCount ?? 0
  const left = leftAtDriver({ process, core })
  return running === 0 ? left : [...left, `${process.name}: ${String(running)} tasks run`]
}

const showObject = (object: { objectId: string; state: string; pinnerCount: number }): string =>
  `${toHex(object.objectId)} ${object.state} ${String(object.pinnerCount)}`

export function leftAtDriver({ process, core }: Pick<SimDriver, 'process' | 'core'>): string[] {
  const { tracked, lent } = core.references.counts()
  const left: string[] = []
  if (tracked > 0) left.push(`${process.name}: ${String(tracked)} entries tracked`)
  if (lent > 0) left.push(`${process.name}: ${String(lent)} entries lent`)
  return left
}

/** I10: drivers have left. */
export function leftAtEnd(world: World): string[] {
  const left: string[] = []
  for (const { name, raylet, process } of world.nodes) {
    if (!process.alive) continue
    const { state } = raylet
    if (state.jobs.size > 0) left.push(`${name}: ${String(state.jobs.size)} jobs`)
    if (state.workers.size > 0) left.push(`${name}: ${String(state.workers.size)} workers`)
    if (state.pools.size > 0) left.push(`${name}: ${String(state.pools.size)} pools`)
  }
  for (const { process } of world.workers()) left.push(`I10: process ${process.name} lives`)
  return left
}
