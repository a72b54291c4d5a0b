// What a node holds for a program of another that nobody can reach any more: it makes room for
// whoever waits, as on one node (unread-stream.test, D137).
import { expect, it } from 'vitest'
import { placeOfEachTest, fixture, jsonLines } from './virga.ts'

const place = placeOfEachTest()

it('streams and actors on another node make room once nobody can reach them', async () => {
  await place.startNodes({ nodes: 2, numCpus: 1 })
  const [, other] = await place.rows('nodes')
  const there = String(other?.['nodeId'])
  const program = place.node(fixture('dropped-on-nodes.mts'), there)
  const { code, stderr } = await program.ended
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(jsonLines(program)).toEqual([
    { afterStream: there },
    { afterActor: there },
    { afterBoth: 2 },
  ])
})
