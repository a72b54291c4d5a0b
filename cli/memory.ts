// `virga memory`: the largest objects with their owners, the store's use, and what was spilled.
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { showRows } from './list.ts'
import { numberOf, textOf, type Row } from './raylet-client.ts'
import { storeOf, storeText } from './store-use.ts'
import type { Input, World } from './world.ts'

export function run(world: World, input: Input): Promise<number> {
  return connected(world, input, async (client) => {
    const [nodes, objects, workers, jobs] = await Promise.all([
      client.state('nodes'),
      client.state('objects'),
      client.state('workers'),
      client.state('jobs'),
    ])
    const store = storeOf(nodes.rows[0] ?? {})
    const owned = withOwners(objects.rows, workers.rows, jobs.rows)
    const largest = owned.toSorted((a, b) => numberOf(b, 'sizeBytes') - numberOf(a, 'sizeBytes'))
    const rows = largest.slice(0, Number(input.options['limit']))
    const { dropped } = objects
    const total = objects.rows.length
    if (input.json) {
      world.screen.print(JSON.stringify({ store, rows, shown: rows.length, total, dropped }))
      return EXIT.DONE
    }
    const { screen } = world
    screen.print(`${screen.paint('bold', 'Object store')} ${storeText(store)}`)
    await showRows(world, { rows, matching: total, total, dropped }, 'objects')
    return EXIT.DONE
  })
}

/** An ObjectId is the id of its task, which ends in that of its job, and four bytes of an index. */
const JOB_ID_AT = [24, 32] as const

/** @returns the rows with the process that made each object, and the job it belongs to. */
export function withOwners(
  objects: readonly Row[],
  workers: readonly Row[],
  jobs: readonly Row[],
): Row[] {
  const owners = new Map<string, string>()
  for (const worker of workers) {
    owners.set(textOf(worker, 'workerId'), `worker ${String(numberOf(worker, 'pid'))}`)
  }
  for (const job of jobs) {
    const pid = numberOf(job, 'driverPid')
    const what = pid === 0 ? 'ended driver' : `driver ${String(pid)}`
    owners.set(textOf(job, 'driverId'), `${what} (${textOf(job, 'name')})`)
  }
  return objects.map(({ creator, ...row }) => ({
    ...row,
    owner: owners.get(String(creator)) ?? 'ended worker',
    jobId: textOf(row, 'objectId').slice(...JOB_ID_AT),
  }))
}
