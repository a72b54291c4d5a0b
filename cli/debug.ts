// `virga debug gcs-cost`: write units, as DynamoDB told them, against the budgets; one that is
// passed is marked, and the command has failed.
import { UsageError } from '../runtime/common/errors.ts'
import { countText, plural } from './amounts.ts'
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { gcsCost, type CostLine, type GcsCost } from './gcs-cost.ts'
import { tableText } from './table.ts'
import type { Input, World } from './world.ts'

export function run(world: World, input: Input): Promise<number> {
  const [what = ''] = input.args
  if (what !== 'gcs-cost') throw new UsageError(`there is no '${what}' to debug: say gcs-cost`)
  return connected(world, input, async (client) => {
    const rowsOf = async (kind: string) => (await client.state(kind)).rows
    const units = await rowsOf('gcsCost')
    if (units.length === 0) throw new UsageError(FREE)
    const [summary = [], actors = [], nodes = [], jobs = [], groups = []] = await Promise.all(
      ['summary', 'actors', 'nodes', 'jobs', 'groups'].map(rowsOf),
    )
    const cost = gcsCost(units, { summary, actors, nodes, jobs, groups })
    if (input.json) world.screen.print(JSON.stringify(cost))
    else await show(world, cost)
    return cost.lines.some(({ isPassed }) => isPassed) ? EXIT.FAILED : EXIT.DONE
  })
}

const FREE =
  'the GCS of this cluster lies in memory and costs nothing; start one with ' +
  'virga start --gcs dynamodb --endpoint-url URL'

const HEADS = ['what', 'write units', 'per', 'budget', 'in all', 'read units'] as const

async function show({ screen }: World, cost: GcsCost) {
  const { tasks, calls, largeObjects, nodes, nodeSeconds, lines } = cost
  const ended = `${plural(tasks, 'task')} and ${plural(calls, 'actor call')} ended`
  screen.print(`${ended}; ${plural(largeObjects, 'large object')}`)
  screen.print(`${plural(nodes, 'node')}, ${countText(Math.round(nodeSeconds))} s in all`)
  const columns = HEADS.map((head) => ({ head }))
  screen.print(await tableText(screen, columns, lines.map(cellsOf)))
}

function cellsOf(line: CostLine): string[] {
  const { what, per, budget } = line
  const shown = (each: number): string => String(Math.round(each * 1000) / 1000)
  const [units, all, read] = [line.writeUnits, line.writeUnitsTotal, line.readUnitsTotal].map(shown)
  const held = `${budget === undefined ? '' : shown(budget)}${line.isPassed ? ' PASSED' : ''}`
  return [what, units ?? '', per, held, all ?? '', read ?? '']
}
