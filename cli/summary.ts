// `virga summary KIND`: how many there are. Tasks by function, whoever submitted them, exact also
// when the tasks themselves are no longer kept; the others by what tells them apart best.
import { didYouMean } from '../runtime/common/nearest-name.ts'
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { tableOf } from './objects.ts'
import { showRows } from './list.ts'
import { kindOf, numberOf, textOf, type Kind, type Row } from './raylet-client.ts'
import { cellText } from './rows.ts'
import type { Input, World } from './world.ts'

const GROUPED: Readonly<Record<Exclude<Kind, 'tasks'>, readonly string[]>> = {
  actors: ['className', 'state'],
  objects: ['state', 'creator', 'jobId'],
  workers: ['state', 'name'],
  nodes: ['state'],
  jobs: ['state'],
  'placement-groups': ['state', 'strategy'],
}

export function run(world: World, input: Input): Promise<number> {
  const kind = kindOf(input.args[0] ?? '', didYouMean)
  return connected(world, input, async (client) => {
    const { rows, dropped } =
      kind === 'tasks' ? await client.state('summary') : await tableOf(client, kind)
    const groups = kind === 'tasks' ? byFunction(rows) : grouped(rows, GROUPED[kind])
    const total = kind === 'tasks' ? sumOf(groups) : rows.length
    if (input.json) world.screen.print(JSON.stringify({ kind, groups, total, dropped }))
    else {
      const noun = 'groups'
      await showRows(
        world,
        { rows: groups, matching: groups.length, total: groups.length, dropped },
        noun,
      )
    }
    return EXIT.DONE
  })
}

const COUNTS = ['pending', 'running', 'done', 'failed'] as const

/** Over all jobs. */
export function byFunction(rows: readonly Row[]): Row[] {
  const sums = new Map<string, Record<string, string | number>>()
  for (const row of rows) {
    const name = textOf(row, 'name')
    const kind = textOf(row, 'kind')
    const sum = sums.get(`${kind} ${name}`) ?? {
      name,
      kind,
      pending: 0,
      running: 0,
      done: 0,
      failed: 0,
    }
    for (const key of COUNTS) sum[key] = Number(sum[key]) + numberOf(row, key)
    sums.set(`${kind} ${name}`, sum)
  }
  return [...sums.values()]
}

const sumOf = (rows: readonly Row[]): number =>
  rows.reduce((total, row) => total + COUNTS.reduce((sum, key) => sum + numberOf(row, key), 0), 0)

function grouped(rows: readonly Row[], keys: readonly string[]): Row[] {
  const groups = new Map<string, { row: Record<string, unknown>; count: number; bytes: number }>()
  for (const row of rows) {
    const values = keys.map((key) => cellText(row[key]))
    const id = JSON.stringify(values)
    const group = groups.get(id) ?? {
      row: Object.fromEntries(keys.map((key, i) => [key, values[i]])),
      count: 0,
      bytes: 0,
    }
    group.count += 1
    group.bytes += numberOf(row, 'sizeBytes')
    groups.set(id, group)
  }
  return [...groups.values()]
    .sort((a, b) => b.count - a.count)
    .map(({ row, count, bytes }) => ({ ...row, count, ...(bytes > 0 ? { sizeBytes: bytes } : {}) }))
}
