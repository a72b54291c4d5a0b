// `virga list KIND`: rows of one kind, filtered and limited, with exact counts.
import { didYouMean } from '../runtime/common/nearest-name.ts'
import { bytesText, countText, durationText, plural, resourcesText } from './amounts.ts'
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { tableOf } from './objects.ts'
import { kindOf, numberOf, type RayletClient, type Row } from './raylet-client.ts'
import { cellText, choose, cutText, type Chosen } from './rows.ts'
import { storeOf, storeText } from './store-use.ts'
import { tableText } from './table.ts'
import type { Input, World } from './world.ts'

export function run(world: World, input: Input): Promise<number> {
  const kind = kindOf(input.args[0] ?? '', didYouMean)
  return connected(world, input, async (client) => {
    const table = await tableOf(client, kind)
    const live = kind === 'tasks' ? await liveTasks(client) : undefined
    const filters = input.options['filter'] as readonly string[]
    const chosen = choose(table, filters, Number(input.options['limit']))
    if (input.json) {
      const { rows, matching, total, dropped } = chosen
      world.screen.print(
        JSON.stringify({ kind, rows, shown: rows.length, matching, total, dropped, ...live }),
      )
    } else {
      const all = live === undefined ? undefined : 'all that have ended'
      await showRows(world, chosen, kind.replace('-', ' '), all)
      if (live !== undefined) world.screen.print(world.screen.paint('dim', liveText(live)))
    }
    return EXIT.DONE
  })
}

interface LiveTasks {
  readonly running: number
  readonly pending: number
}

/** Tasks have a row once they have ended; before that they are counted. */
async function liveTasks(client: RayletClient): Promise<LiveTasks> {
  const { rows } = await client.state('summary')
  const sum = (key: string): number => rows.reduce((all, row) => all + numberOf(row, key), 0)
  return { running: sum('running'), pending: sum('pending') }
}

/** What the rows leave out. */
const liveText = ({ running, pending }: LiveTasks): string =>
  `${countText(running)} running and ${countText(pending)} waiting have no row until they end: ` +
  'virga summary tasks.'

/** A table of rows with their own keys as heads, and what is not in it. */
export async function showRows(
  world: World,
  chosen: Chosen,
  noun: string,
  all = 'all there are',
): Promise<void> {
  const { screen } = world
  const { rows } = chosen
  if (rows.length > 0) {
    const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))]
    const columns = keys.map((head) => ({ head, ...alignOf(rows, head) }))
    const cells = rows.map((row) => keys.map((key) => shownValue(key, row)))
    screen.print(await tableText(screen, columns, cells))
  }
  const cut = cutText(chosen, noun)
  screen.print(screen.paint('dim', cut ?? `${plural(rows.length, 'row')}, ${all}.`))
}

function alignOf(rows: readonly Row[], key: string): { align?: 'right' } {
  return rows.every((row) => typeof row[key] === 'number') ? { align: 'right' } : {}
}

/** By the name of its column: the unit it ends in, or what it is known to hold. */
function shownValue(key: string, row: Row): string {
  const value = row[key]
  if (typeof value === 'object' && value !== null) {
    if (key === 'store') return storeText(storeOf(row))
    if (key === 'resources' || key === 'available') return resourcesText(value)
  }
  if (typeof value !== 'number') return cellText(value)
  if (/bytes$/i.test(key)) return bytesText(value)
  // The start and end of a task are instants; all others are spans.
  if (key === 'startMs' || key === 'endMs' || key.endsWith('AtMs')) return instantText(value)
  return key.endsWith('Ms') ? durationText(value) : String(value)
}

/** Time of day in UTC: `09:15:02.123`. */
function instantText(ms: number): string {
  const part = (divisor: number, modulus: number): string =>
    String(Math.floor(ms / divisor) % modulus).padStart(modulus === 1000 ? 3 : 2, '0')
  return `${part(3_600_000, 24)}:${part(60_000, 60)}:${part(1000, 60)}.${part(1, 1000)}`
}
