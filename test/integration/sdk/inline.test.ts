// Inline mode: the helpers do in one process what they do with workers.
import { expect, test } from 'vitest'
import { resultOf } from '../shipping/run-program.ts'

test('groups, queues, pools, limiters and classes work inline, and the program ends', async () => {
  const file = new URL('fixtures/inline.ts', import.meta.url).pathname
  expect(await resultOf({ file })).toEqual({
    grouped: { CPU: 1 },
    items: [0, 1, 2],
    doubled: [2, 4, 6],
    paced: true,
    point: { x: 2, y: 1 },
  })
})
