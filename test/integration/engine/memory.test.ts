// The memory monitor over a real process: a worker above the memory of its own lease is the one
// that goes, and its task hears how much it used. Elsewhere than on Linux nothing tells.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OutOfMemoryError, init, shutdown } from 'virga'
import { caught } from '../../support/waiting.ts'
import { describeWhere, HAS_PROC } from '../../support/where.ts'
import { hog, square } from './functions.ts'

const MIB = 1024 * 1024

const whereProc = { can: HAS_PROC, reason: "there is no /proc to read a worker's memory from" }
describeWhere(whereProc, 'F64 a worker above its own memory limit', () => {
  beforeAll(async () => {
    await init({ address: 'local', numCpus: 2, memoryBytes: 1024 * MIB })
  })
  afterAll(shutdown)

  it('is ended with OutOfMemoryError, and others are unharmed', async () => {
    const limited = hog.options({ memoryBytes: 32 * MIB, maxRetries: 0 })
    const failing = caught(limited.run(256 * MIB), OutOfMemoryError)
    expect(await square.run(3)).toBe(9)
    const error = await failing
    expect(error.message).toContain('memoryBytes')
    expect(error.message).toMatch(
      /Its limit was \d+ MB\. The node used .*; most by hog \(pid \d+\)/,
    )
    expect(error.data).toMatchObject({ cause: 'MEMORY_LIMIT', attempts: 1 })
    expect(error.data['peakRssBytes']).toBeGreaterThan(96 * MIB)
  })

  it('within its limit it goes on', async () => {
    const enough = hog.options({ memoryBytes: 512 * MIB, maxRetries: 0 })
    expect(await enough.run(8 * MIB, 600)).toBe(8 * MIB)
  })
})
