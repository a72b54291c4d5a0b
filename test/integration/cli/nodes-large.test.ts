// Values larger than the store of any node, between real nodes: they come into files, piece by
// piece, and nothing of them stays behind.
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Running } from '../../support/running.ts'
import { until } from '../../support/waiting.ts'
import { placeOfEachTest, fixture, jsonLines, type Row } from './virga.ts'

const MIB = 1024 * 1024
const STORE_BYTES = 64 * MIB
const VALUE_MIB = 300
/** Far less than a value: a window of chunks at the reader, a piece for each lane at the holder. */
const GROWTH_MIB_MAX = 160
const SLOW = { timeout: 240_000 }

const place = placeOfEachTest(200_000)

const pidOf = async (nodeId: unknown): Promise<number> =>
  Number((await place.rows('nodes')).find((row) => row['nodeId'] === nodeId)?.['pid'])

/** Of all raylets: the most memory that each has ever had, in MiB. */
async function peaksMib(): Promise<number[]> {
  const pids = (await place.rows('nodes')).map(({ pid }) => String(pid))
  return pids.map((pid) => {
    const [, kib] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Number(kib) / 1024
  })
}

/** Sizes of the files in which objects lie that no arena holds, of all nodes. */
function filesMib(): number[] {
  const root = join(place.runtimeDir, 'virga')
  const paths = readdirSync(root, { recursive: true, encoding: 'utf8' })
  const files = paths.filter((path) => /spill\/objects-\d+$/.test(path))
  return files.flatMap((path) => {
    const stat = statSync(join(root, path), { throwIfNoEntry: false })
    return stat === undefined ? [] : [stat.size / MIB]
  })
}

/** A node that was killed is declared dead after 20 s. */
const LINE_MS_MAX = 90_000

async function linesOf(program: Running, count: number): Promise<Row[]> {
  const isDone = (): boolean => program.child.exitCode !== null
  await until(() => jsonLines(program).length >= count || isDone(), LINE_MS_MAX)
  expect(program.output.stderr).toBe('')
  return jsonLines(program)
}

describe('F41 F66 F07: a value that is larger than the store of any node', () => {
  it(
    'is read on other nodes, by get and as an argument, and is gone when freed',
    SLOW,
    async () => {
      const bytes = ['--object-store-memory-bytes', String(STORE_BYTES)]
      await place.startNodes({ nodes: 3, numCpus: 1 }, ...bytes)
      const before = await peaksMib()
      const program = place.node(fixture('large-on-nodes.mts'), String(VALUE_MIB))
      const [told] = await linesOf(program, 1)
      expect(told).toMatchObject({ asArgument: 0, byGet: 0, ofDriver: 0 })
      const growth = (await peaksMib()).map((peak, i) => peak - (before[i] ?? 0))
      expect(Math.max(...growth)).toBeLessThan(GROWTH_MIB_MAX)
      // One on all three nodes, and one on two.
      expect(filesMib().map(Math.floor)).toEqual(new Array(5).fill(VALUE_MIB))

      program.child.stdin?.write('go\n')
      await linesOf(program, 2)
      await until(() => filesMib().length === 0)

      // Its only holder is killed half-way: another copy, or a typed error, and no part stays.
      program.child.stdin?.write('go\n')
      const holding = (await linesOf(program, 3)).at(-1)
      const holder = await pidOf(holding?.['holder'])
      await until(() => filesMib().some((size) => size > 0 && size < VALUE_MIB))
      process.kill(holder, 'SIGKILL')
      const fates = (await linesOf(program, 4)).at(-1)?.['fates']
      for (const fate of fates as readonly unknown[]) {
        expect([0, 'ObjectLostError', 'TaskError']).toContain(fate)
      }
      await until(() => filesMib().every((size) => size >= VALUE_MIB))
      program.child.stdin?.write('go\n')
      expect(await program.ended).toMatchObject({ code: 0, stderr: '' })
    },
  )
})
