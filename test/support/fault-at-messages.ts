// Runs a small program once for each message that it sends, with a fault at that message: a process
// dies, or a connection breaks. Each run must end with the right result or a typed error.
import { describe, expect, it } from 'vitest'
import { VirgaError } from '../../runtime/common/errors.ts'
import type { FaultyEnd } from './faulty-network.ts'
import { MemoryCluster } from './memory-cluster.ts'

export type Fault = (cluster: MemoryCluster, end: FaultyEnd) => void

export interface FaultyProgram {
  /** @param begin  where faults come late: those messages count that are sent after it. */
  readonly run: (cluster: MemoryCluster, begin: () => void) => Promise<unknown>
  readonly faultsCome: 'EARLY' | 'LATE'
  readonly result: unknown
  /** Real milliseconds; the cluster's clock runs SPEED times faster. */
  readonly hangMs: number
  /** Every message, or every so many. */
  readonly step: number
}

const SPEED = 20

/** @param when  as in "at every message". */
export function faultAtMessages(
  when: string,
  faults: readonly [name: string, fault: Fault][],
  program: FaultyProgram,
): void {
  const { result, step } = program
  describe.each(faults)(`${when}, %s`, (_, fault) => {
    it('ends with the right result or a typed error', async () => {
      const { outcome, frames } = await runWith(program, fault, -1)
      expect(outcome).toEqual(result)
      for (let at = 1; at <= frames; at += step) {
        const { outcome: ended } = await runWith(program, fault, at)
        if (!(ended instanceof VirgaError)) expect([at, ended]).toEqual([at, result])
      }
    }, 240_000)
  })
}

/** With the fault at message `at`. @returns how many messages were sent in all */
async function runWith(
  { run, hangMs, faultsCome }: FaultyProgram,
  fault: Fault,
  at: number,
): Promise<{ outcome: unknown; frames: number }> {
  const from = faultsCome === 'EARLY' ? 0 : Infinity
  const started: { cluster?: MemoryCluster; from: number } = { from }
  const running = await MemoryCluster.start({
    speed: SPEED,
    onFrame: (count, end) => {
      if (count === started.from + at && started.cluster !== undefined) fault(started.cluster, end)
    },
  })
  started.cluster = running
  const begin = (): void => {
    started.from = running.network.frameCount
  }
  try {
    const outcome = await running.outcomeOf(() => run(running, begin), hangMs)
    return { outcome, frames: running.network.frameCount - started.from }
  } finally {
    await running.stop()
  }
}
