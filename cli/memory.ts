// `virga memory`: the largest objects with who made them, the store's use, and what was spilled.
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { showRows } from './list.ts'
import { objectsOf } from './objects.ts'
import { numberOf } from './raylet-client.ts'
import { storeOfAll, storeText } from './store-use.ts'
import type { Input, World } from './world.ts'

export function run(world: World, input: Input): Promise<number> {
  return connected(world, input, async (client) => {
    const [nodes, objects] = await Promise.all([client.state('nodes'), objectsOf(client)])
    const store = storeOfAll(nodes.rows)
    const largest = objects.rows.toSorted(
      (a, b) => numberOf(b, 'sizeBytes') - numberOf(a, 'sizeBytes'),
    )
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
