// `virga status`: what the cluster has and uses, its jobs, and what waits; `--why` says why.
import { durationText, plural, resourceText, resourcesText } from './amounts.ts'
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { numberOf, textOf, type RayletClient, type Row } from './raylet-client.ts'
import { storeOfAll, storeText, type StoreUse } from './store-use.ts'
import { tableText } from './table.ts'
import { SHOWN_NODE_CHARS } from './worker-ids.ts'
import type { Input, World } from './world.ts'

interface Status {
  readonly nodes: readonly Row[]
  readonly cluster: Row
  readonly resources: readonly Row[]
  readonly store: StoreUse
  readonly workers: Readonly<Record<string, number>>
  readonly jobs: readonly Row[]
  readonly waiting: readonly Row[]
}

export function run(world: World, input: Input): Promise<number> {
  return connected(world, input, async (client, node) => {
    const status = await read(client, `unix:${node.address}`)
    if (input.json) world.screen.print(JSON.stringify(status))
    else await show(world, status, input.options['why'] === true)
    return EXIT.DONE
  })
}

async function read(client: RayletClient, address: string): Promise<Status> {
  const [nodes, resources, workers, jobs, why] = await Promise.all(
    ['nodes', 'resources', 'workers', 'jobs', 'why'].map((kind) => client.state(kind)),
  )
  const rows = nodes?.rows ?? []
  const own = rows.find((row) => row['nodeId'] === client.nodeId) ?? {}
  const { nodeId, pid, epoch, state, labels } = own
  return {
    nodes: rows,
    cluster: { address, nodeId, pid, epoch, state, labels, sessionDir: client.sessionDir },
    resources: (resources?.rows ?? []).map((row) => ({
      ...row,
      used: numberOf(row, 'total') - numberOf(row, 'free'),
    })),
    store: storeOfAll(rows),
    workers: countBy(workers?.rows ?? [], (row) => textOf(row, 'state')),
    jobs: (jobs?.rows ?? []).filter((job) => job['state'] === 'RUNNING'),
    waiting: why?.rows ?? [],
  }
}

export function countBy(rows: readonly Row[], keyOf: (row: Row) => string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const row of rows) counts[keyOf(row)] = (counts[keyOf(row)] ?? 0) + 1
  return counts
}

async function show(world: World, status: Status, why: boolean): Promise<void> {
  const { screen } = world
  const { cluster, nodes, jobs, waiting, workers } = status
  const heading = (text: string): string => screen.paint('bold', text)
  screen.print(`${heading('Cluster')} ${textOf(cluster, 'address')}`)
  if (nodes.length === 1) {
    screen.print(`  1 node, pid ${numberOf(cluster, 'pid')}, ${textOf(cluster, 'state')}`)
  } else screen.print(nodes.map(nodeText).join('\n'))
  screen.print(heading('Resources (used / total)'))
  for (const row of status.resources) {
    const name = textOf(row, 'name')
    const of = (key: string): string => resourceText(name, numberOf(row, key))
    screen.print(`  ${name.padEnd(12)} ${of('used')} / ${of('total')}`)
  }
  screen.print(`  ${'object store'.padEnd(12)} ${storeText(status.store)}`)
  const states = Object.entries(workers).map(([state, count]) => `${count} ${state}`)
  screen.print(`${heading('Workers')} ${states.join(', ') || 'none'}`)
  screen.print(heading(plural(jobs.length, 'job')))
  for (const job of jobs) {
    const age = durationText(numberOf(job, 'ageMs'))
    screen.print(`  ${textOf(job, 'jobId')} ${textOf(job, 'name')}, ${age}`)
  }
  await showWaiting(world, waiting, why)
}

/** `  3f0a12… pid 4711, ALIVE, holds the GCS` */
function nodeText(node: Row): string {
  const notes = [
    `pid ${numberOf(node, 'pid')}`,
    textOf(node, 'state'),
    ...(node['isGcsHost'] === true ? ['holds the GCS'] : []),
    ...(node['suspected'] === true ? ['does not answer'] : []),
    ...(textOf(node, 'death') === '' ? [] : [textOf(node, 'death')]),
  ]
  return `  ${textOf(node, 'nodeId').slice(0, SHOWN_NODE_CHARS)} ${notes.join(', ')}`
}

async function showWaiting(world: World, waiting: readonly Row[], why: boolean): Promise<void> {
  const { screen } = world
  if (waiting.length === 0) {
    screen.print(`${screen.paint('bold', 'Waiting')} nothing`)
    return
  }
  const shapes = plural(waiting.length, 'shape')
  if (!why) {
    const text = `${shapes}; virga status --why says why`
    screen.print(`${screen.paint('bold', 'Waiting')} ${text}`)
    return
  }
  screen.print(screen.paint('bold', `Waiting (${shapes})`))
  const columns = ['count', 'what', 'such as', 'demand', 'since', 'why']
  const rows = waiting.map((row) => [
    String(numberOf(row, 'count')),
    textOf(row, 'kind'),
    textOf(row, 'name'),
    resourcesText(row['demand']),
    row['waitedMs'] === null ? '' : durationText(numberOf(row, 'waitedMs')),
    textOf(row, 'why'),
  ])
  screen.print(
    await tableText(
      screen,
      columns.map((head) => ({ head })),
      rows,
    ),
  )
}
