// `virga top`: the workers of the cluster, what they run, and what they take of the machine.
import { NodeDiedError, UsageError } from '../runtime/common/errors.ts'
import { bytesText, durationText, plural } from './amounts.ts'
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { numberOf, textOf, type RayletClient, type Row } from './raylet-client.ts'
import { storeOfAll, storeText, type StoreUse } from './store-use.ts'
import { tableText } from './table.ts'
import { shownWorkerId, SHOWN_NODE_CHARS } from './worker-ids.ts'
import type { Input, Machine, World } from './world.ts'

const INTERVAL_MS_MIN = 100
/** CPU time is a difference: between the two looks of a single view. */
const SAMPLE_MS = 300

export function run(world: World, input: Input): Promise<number> {
  const intervalMs = Number(input.options['intervalMs'])
  if (intervalMs < INTERVAL_MS_MIN) {
    throw new UsageError(`--interval-ms must be at least ${INTERVAL_MS_MIN}, got ${intervalMs}`)
  }
  return connected(world, input, async (client) => {
    const machine = await world.machine()
    const sample = sampler(world, client, machine)
    await sample()
    if (input.json || input.options['once'] === true || !world.screen.isTty) {
      await world.sleep(SAMPLE_MS)
      const top = await sample()
      if (input.json) world.screen.print(JSON.stringify(top))
      else world.screen.print(await topText(world, top))
    } else await watch(world, sample, intervalMs)
    return EXIT.DONE
  })
}

interface Top {
  readonly workers: readonly Row[]
  readonly store: StoreUse
  /** Those that live and those that do not. */
  readonly nodeCount: number
}

function sampler(world: World, client: RayletClient, machine: Machine): () => Promise<Top> {
  let before = machine.usage([])
  let beforeMs = 0
  return async () => {
    const [workers, nodes] = await Promise.all([client.state('workers'), client.state('nodes')])
    const usage = machine.usage(workers.rows.map((row) => numberOf(row, 'pid')))
    const nowMs = world.clock.monotonicMs()
    const rows = workers.rows.map((row): Row => {
      const pid = numberOf(row, 'pid')
      const now = usage.get(pid)
      const spentMs = (now?.cpuMs ?? 0) - (before.get(pid)?.cpuMs ?? now?.cpuMs ?? 0)
      const cpuPercent = Math.round((spentMs / (nowMs - beforeMs)) * 1000) / 10
      return { ...row, cpuPercent, rssBytes: now?.rssBytes ?? 0 }
    })
    before = usage
    beforeMs = nowMs
    return { workers: rows, store: storeOfAll(nodes.rows), nodeCount: nodes.rows.length }
  }
}

async function watch(world: World, sample: () => Promise<Top>, intervalMs: number): Promise<void> {
  const view = await world.screen.view('stdout')
  let stopped = false
  const undo = world.onInterrupt(() => {
    stopped = true
  })
  try {
    while (!isStopped()) {
      view.show(await topText(world, await sample(), view.columns))
      for (let waited = 0; waited < intervalMs && !isStopped(); waited += INTERVAL_MS_MIN) {
        await world.sleep(INTERVAL_MS_MIN)
      }
    }
  } catch (error) {
    if (!(error instanceof NodeDiedError)) throw error
    world.screen.note('The cluster has ended.')
  } finally {
    view.done({ keep: true })
    undo()
  }

  function isStopped(): boolean {
    return stopped
  }
}

const COLUMNS = [
  { head: 'pid', align: 'right' },
  { head: 'state' },
  { head: 'runs', gives: true },
  { head: 'CPU %', align: 'right' },
  { head: 'memory', align: 'right' },
  { head: 'age', align: 'right' },
] as const
const WORKER_COLUMN = { head: 'worker' } as const
/** Where there are several. */
const NODE_COLUMN = { head: 'node' } as const

async function topText(world: World, top: Top, widthMax?: number): Promise<string> {
  const { workers, store, nodeCount } = top
  const isOneNode = nodeCount <= 1
  const columns = [...COLUMNS, ...(isOneNode ? [] : [NODE_COLUMN]), WORKER_COLUMN]
  const sorted = workers.toSorted((a, b) => numberOf(b, 'cpuPercent') - numberOf(a, 'cpuPercent'))
  const rows = sorted.map((row) => [
    String(numberOf(row, 'pid')),
    row['blocked'] === true ? 'BLOCKED' : textOf(row, 'state'),
    textOf(row, 'name'),
    numberOf(row, 'cpuPercent').toFixed(1),
    bytesText(numberOf(row, 'rssBytes')),
    durationText(numberOf(row, 'ageMs')),
    ...(isOneNode ? [] : [textOf(row, 'nodeId').slice(0, SHOWN_NODE_CHARS)]),
    shownWorkerId(textOf(row, 'workerId'), nodeCount),
  ])
  const head = `${plural(workers.length, 'worker')}, object store ${storeText(store)}`
  return `${head}\n${await tableText(world.screen, columns, rows, widthMax)}`
}
