// Objects between real nodes: who sends them to whom, and what a node leaves behind that leaves.
import { describe, expect, it } from 'vitest'
import type { Running } from '../../support/running.ts'
import { fewOrAll } from '../../support/scale.ts'
import { until } from '../../support/waiting.ts'
import { placeOfEachTest, fixture, jsonLines, type Row } from './virga.ts'

const MIB = 1024 * 1024

/** A read of 1 GiB by eight nodes takes a minute where nothing else runs. */
const READ_LIMIT_MS = fewOrAll(60_000, 500_000)
const place = placeOfEachTest(READ_LIMIT_MS + 30_000)

interface NodeStoreRow extends Row {
  readonly nodeId: string
  readonly pid: number
  readonly state: string
  readonly store?: { readonly totals: { readonly sentBytes: number } }
}

const list = async (): Promise<NodeStoreRow[]> => (await place.rows('nodes')) as NodeStoreRow[]
const linesOf = async (program: Running, count: number, limitMs?: number): Promise<Row[]> => {
  const { child } = program
  const isDone = (): boolean => child.exitCode !== null || child.signalCode !== null
  await until(() => jsonLines(program).length >= count || isDone(), limitMs)
  expect(program.output.stderr).toBe('')
  return jsonLines(program)
}

/** At full size 1 GiB on eight nodes, beside its maker and the node that the program is at. */
const READERS = fewOrAll(4, 8)
const READ_MIB = fewOrAll(24, 1024)
const STORE_BYTES = String((READ_MIB + 64) * MIB)

describe('an object that many nodes read at once', () => {
  it(
    'leaves its maker two or three times, and no node more often',
    { timeout: READ_LIMIT_MS + 30_000 },
    async () => {
      const sizes = { nodes: READERS + 2, numCpus: 1 }
      await place.startNodes(sizes, '--object-store-memory-bytes', STORE_BYTES)
      const program = place.node(fixture('objects-on-nodes.mts'), String(READ_MIB))
      const [told] = await linesOf(program, 1, READ_LIMIT_MS)
      expect(told?.['sums']).toEqual(new Array<number>(READERS).fill(7))
      const sent = new Map(
        (await list()).map(({ nodeId, store }) => [nodeId, store?.totals.sentBytes ?? 0]),
      )
      const times = [...sent.values()].map((sentBytes) => sentBytes / (READ_MIB * MIB))
      expect(times.reduce((sum, each) => sum + each, 0)).toBeCloseTo(READERS, 0)
      expect(Math.max(...times)).toBeLessThan(3.1)
      expect(sent.get(String(told?.['maker'])) ?? 0).toBeGreaterThanOrEqual(READ_MIB * MIB)
      program.child.kill('SIGKILL')
      await program.ended
    },
  )
})

/** Values of 64 MB are slow where many tests run at once. */
const BUSY = { timeout: 90_000 }

describe('tasks whose arguments are large', () => {
  it('run where those lie and none is sent, until that node is full', BUSY, async () => {
    await place.startNodes({ nodes: 3, numCpus: 2 })
    const [home = '', reader = '', maker = ''] = (await list()).map(({ nodeId }) => nodeId)
    const program = place.node(fixture('locality-on-nodes.mts'), maker, reader)
    const [told] = await linesOf(program, 1)
    const two = { afterEachOther: [maker, maker], atOnce: [maker, maker] }
    expect(told).toEqual({ ...two, beforeItIsMade: maker, borrowed: maker })
    const sent = async (): Promise<number[]> =>
      (await list()).map(({ store }) => store?.totals.sentBytes ?? 0)
    expect(await sent()).toEqual([0, 0, 0])
    program.child.stdin?.write('go\n')
    const [, last] = await linesOf(program, 2)
    expect(last?.['whereBothWereRead']).toBe(reader) // copies of both lie there
    expect(last?.['whereBothWereGot']).toEqual([reader, home])
    const many = last?.['many'] as readonly string[]
    expect(many.filter((nodeId) => nodeId === maker).length).toBeGreaterThanOrEqual(2)
    expect(new Set(many).size).toBeGreaterThan(1)
    expect(many).not.toContain('damaged')
  })
})

describe('F06: a node that is asked to leave', () => {
  it('hands on what only it holds, and what its processes own: it is read, and not made again', async () => {
    await place.startNodes({ nodes: 3, numCpus: 1 })
    const program = place.node(fixture('objects-on-nodes.mts'), '1')
    const [told] = await linesOf(program, 2)
    const maker = String(told?.['maker'])
    const { pid } = (await list()).find(({ nodeId }) => nodeId === maker) ?? { pid: 0 }
    process.kill(pid, 'SIGTERM')
    await until(async () => {
      return (await list()).some(({ nodeId, state }) => nodeId === maker && state === 'DEAD')
    })
    program.child.stdin?.write('go\n')
    const { code, stderr } = await program.ended
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const lent = [
      [5, MIB],
      [6, MIB],
    ]
    expect(jsonLines(program).at(-1)).toEqual({ length: 4 * MIB, lent, small: 'small' })
  })
})
