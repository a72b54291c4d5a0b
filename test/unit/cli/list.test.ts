// What `virga list` shows of a row: amounts as people read them, by the name of their column.
import { expect, it } from 'vitest'
import { showRows } from '../../../cli/list.ts'
import type { World } from '../../../cli/world.ts'

it('shows what a node has and uses as the other commands do, and nothing of one that is silent', async () => {
  const printed: string[] = []
  const world = {
    screen: {
      print: (text: string) => printed.push(text),
      paint: (_paint: string, text: string) => text,
    },
  } as unknown as World
  const store = { usedBytes: 1536, sizeBytes: 2 ** 30, totals: { spilledBytes: 2048 } }
  const rows = [
    { nodeId: 'a1', resources: { CPU: 2, memory: 2 ** 31 }, available: { CPU: 0.5 }, store },
    { nodeId: 'b2', resources: { CPU: 1 }, available: {} },
  ]
  await showRows(world, { rows, matching: 2, total: 2, dropped: 0 }, 'nodes')
  const lines = (printed[0] ?? '').split('\n').map((line) => line.split(/ {2,}/))
  expect(lines).toEqual([
    ['nodeId', 'resources', 'available', 'store'],
    [...['a1', 'CPU: 2, memory: 2.0 GiB', 'CPU: 0.5'], '1.5 KiB / 1.0 GiB, 2.0 KiB spilled so far'],
    ['b2', 'CPU: 1'],
  ])
})
