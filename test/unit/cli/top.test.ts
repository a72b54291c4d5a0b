// What `virga top` shows of workers of several nodes: nothing that two of them share as their name.
import { expect, it } from 'vitest'
import { findById } from '../../../cli/rows.ts'
import { run } from '../../../cli/top.ts'
import type { RayletClient, Row } from '../../../cli/raylet-client.ts'
import type { World } from '../../../cli/world.ts'

const NODES = ['aabbccddeeff0011aaaaaaaaaaaa', '0102030405060708bbbbbbbbbbbb']

/** Each node counts its workers from 1. */
const workersOf = (nodes: readonly string[]): Row[] =>
  nodes.flatMap((nodeId, index) =>
    ['00000001', '00000002'].map((number) => ({
      workerId: `${number}${nodeId.slice(0, 16)}0001`,
      ...{ nodeId, pid: 100 + index, state: 'LEASED', name: 'f', ageMs: 5 },
    })),
  )

async function topOf(nodes: readonly string[]): Promise<string[][]> {
  const printed: string[] = []
  const rowsOf = (kind: string): Row[] =>
    kind === 'workers' ? workersOf(nodes) : nodes.map((nodeId) => ({ nodeId }))
  const client = {
    state: (kind: string) => Promise.resolve({ rows: rowsOf(kind), dropped: 0 }),
    close: () => undefined,
  } as unknown as RayletClient
  const world = {
    clusters: () => Promise.resolve({ find: () => ({}), connect: () => Promise.resolve(client) }),
    machine: () => Promise.resolve({ usage: () => new Map() }),
    clock: { monotonicMs: () => 0 },
    sleep: () => Promise.resolve(),
    screen: {
      isTty: false,
      print: (text: string) => printed.push(text),
      paint: (_paint: string, text: string) => text,
    },
  } as unknown as World
  const input = { args: [], options: { intervalMs: 1000 }, json: false, address: undefined }
  await run(world, input)
  return (printed[0] ?? '').split('\n').map((line) => line.trim().split(/ {2,}/))
}

it('names the node and tells workers of several nodes apart, by what virga get takes', async () => {
  const [, heads, ...lines] = await topOf(NODES)
  expect(heads?.slice(-2)).toEqual(['node', 'worker'])
  const shown = lines.map((cells) => cells.slice(-2))
  const workers = workersOf(NODES)
  for (const [node = '', worker = ''] of shown) {
    const { nodeId, workerId } = findById(workers, 'workerId', worker)
    expect([String(nodeId).startsWith(node), String(workerId).startsWith(worker)]).toEqual([
      ...[true, true],
    ])
  }
  expect(new Set(shown.map(([, worker]) => worker)).size).toBe(4)
})

it('is as short as before on one node', async () => {
  const [, heads, first] = await topOf(NODES.slice(0, 1))
  expect(heads?.at(-2)).toBe('age')
  expect(first?.at(-1)).toBe('00000001')
})
