// `virga get KIND ID`: all that is known of one thing.
import { didYouMean } from '../runtime/common/nearest-name.ts'
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { tableOf } from './objects.ts'
import { KINDS, kindOf } from './raylet-client.ts'
import { cellText, findById } from './rows.ts'
import type { Input, World } from './world.ts'

export function run(world: World, input: Input): Promise<number> {
  const [kindText = '', id = ''] = input.args
  const kind = kindOf(kindText, didYouMean)
  return connected(world, input, async (client) => {
    const { rows } = await tableOf(client, kind)
    const row = findById(rows, KINDS[kind].id, id)
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
