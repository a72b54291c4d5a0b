// `virga remove placement-group ID`: what outlives its job, and nobody has a handle of any more.
import { UsageError } from '../runtime/common/errors.ts'
import { connected } from './connected.ts'
import { EXIT } from './exit-codes.ts'
import { KINDS, textOf } from './raylet-client.ts'
import { findById } from './rows.ts'
import type { Input, World } from './world.ts'

const GROUP = KINDS['placement-groups']

export function run(world: World, input: Input): Promise<number> {
  const [what = '', id = ''] = input.args
  if (what !== 'placement-group' && what !== 'placement-groups') {
    throw new UsageError(`'${what}' cannot be removed: say placement-group`)
  }
  return connected(world, input, async (client) => {
    const { rows } = await client.state(GROUP.wire)
    const row = findById(rows, GROUP.id, id)
    const groupId = textOf(row, GROUP.id)
    await client.removeGroup(groupId)
    if (input.json) world.screen.print(JSON.stringify(row))
    else {
      world.screen.print(`Placement group ${groupId} (${textOf(row, 'name')}) is removed.`)
    }
    return EXIT.DONE
  })
}
