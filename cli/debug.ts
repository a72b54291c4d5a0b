// `virga debug gcs-cost`: write units per 1,000 tasks, as DynamoDB told them, against the budgets.
import { UsageError } from '../runtime/common/errors.ts'
import { countText, plural } from './amounts.ts'
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { gcsCost, type CostLine, type GcsCost } from './gcs-cost.ts'
import { numberOf } from './raylet-client.ts'
import { tableText } from './table.ts'
import type { Input, World } from './world.ts'

export function run(world: World, input: Input): Promise<number> {
  const [what = ''] = input.args
  if (what !== 'gcs-cost') throw new UsageError(`there is no '${what}' to debug: say gcs-cost`)
  return connected(world, input, async (client) => {
    const [units, summary] = await Promise.all([client.state('gcsCost'), client.state('summary')])
    if (units.rows.length === 0) throw new UsageError(FREE)
    const ended = summary.rows.map((row) => numberOf(row, 'done') + numberOf(row, 'failed'))
    const cost = gcsCost(
      units.rows,
      ended.reduce((sum, each) => sum + each, 0),
    )
    if (input.json) world.screen.print(JSON.stringify(cost))
    else await show(world, cost)
    return EXIT.DONE
  })
}

const FREE =
  'the GCS of this cluster lies in memory and costs nothing; start one with ' +
  'virga start --gcs dynamodb --endpoint-url URL'

const HEADS = ['what', 'write units', 'per', 'budget', 'in all', 'read units'] as const

async function show({ screen }: World, { tasks, nodes, nodeSeconds, lines }: GcsCost) {
  const ended = `${countText(tasks)} tasks and calls ended`
  screen.print(`${ended}; ${plural(nodes, 'node')}, ${countText(Math.round(nodeSeconds))} s in all`)
  const columns = HEADS.map((head) => ({ head }))
  screen.print(await tableText(screen, columns, lines.map(cellsOf)))
}

function cellsOf(line: CostLine): string[] {
  const { what, per, budget } = line
  const [units, all, read] = [line.writeUnits, line.writeUnitsTotal, line.readUnitsTotal].map(
    (each) => String(Math.round(each * 1000) / 1000),
  )
  return [what, units ?? '', per, String(budget ?? ''), all ?? '', read ?? '']
}
