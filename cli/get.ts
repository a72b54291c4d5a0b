// `virga get KIND ID`: all that is known of one thing.
import { didYouMean } from '../runtime/common/nearest-name.ts'
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { tableOf } from './objects.ts'
import { KINDS, kindOf, type Row } from './raylet-client.ts'
import { cellText, findById } from './rows.ts'
import { workerIdStart } from './worker-ids.ts'
import type { Input, World } from './world.ts'

export function run(world: World, input: Input): Promise<number> {
  const [kindText = '', text = ''] = input.args
  const kind = kindOf(kindText, didYouMean)
  const id = kind === 'workers' ? workerIdStart(text) : text
  return connected(world, input, async (client) => {
    const { rows } = await tableOf(client, kind)
    const row = withCopies(findById(rows, KINDS[kind].id, id), rows, KINDS[kind].id)
    if (input.json) world.screen.print(JSON.stringify(row))
    else {
      const width = Math.max(...Object.keys(row).map((key) => key.length))
      for (const [key, value] of Object.entries(row)) {
        const name = world.screen.paint('bold', key.padEnd(width))
        world.screen.print(`${name}  ${cellText(value)}`)
      }
    }
    return EXIT.DONE
  })
}

/** An object has a row for each node that has a copy. */
function withCopies(row: Row, rows: readonly Row[], idKey: string): Row {
  const others = rows.filter((each) => each !== row && each[idKey] === row[idKey])
  return others.length === 0 ? row : { ...row, alsoAt: others.map(({ nodeId }) => nodeId) }
}
