// Runs the load in a process of its own and samples the memory of its cluster meanwhile.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { processTree, residentBytes, roleOf } from '../processes.ts'
import { type Flatness, type Point, flatness } from './flatness.ts'
import { type FLAT, type Series, seriesOf, SHARED } from './series.ts'

export interface Soak {
  readonly memory: Readonly<Record<Series, readonly Point[]>>
  readonly flatness: Readonly<Record<(typeof FLAT)[number], Flatness>>
  /** How many rounds of each kind of load there were. */
  readonly rounds: Readonly<Record<string, number>>
}

const PROGRAM = join(import.meta.dirname, 'load.ts')
const SAMPLE_EVERY_MS = 500
const SAMPLES_PER_LINE = 60

/** @throws Error with what the load said, when a check of it failed. */
export async function soak(seconds: number, say: (line: string) => void): Promise<Soak> {
  const load = spawn(process.execPath, [PROGRAM, String(seconds)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const memory = {
    driver: [] as Point[],
    raylet: [] as Point[],
    'oldest worker': [] as Point[],
    'mean worker': [] as Point[],
    [SHARED]: [] as Point[],
  }
  const startedAtMs = performance.now()
  const timer = setInterval(() => {
    const at = (performance.now() - startedAtMs) / 1000
    const now = at > seconds ? undefined : sample(load.pid ?? 0)
    if (now === undefined) return
    for (const [name, points] of Object.entries(memory)) {
      points.push({ seconds: at, megabytes: now[name as Series] })
    }
    if (memory.driver.length % SAMPLES_PER_LINE !== 1) return
    const shown = Object.entries(now).map(([name, megabytes]) => `${name} ${megabytes.toFixed(0)}`)
    say(`${at.toFixed(0)} s: ${shown.join(', ')} MB`)
  }, SAMPLE_EVERY_MS)
  let stdout = ''
  load.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  const code = await new Promise((resolve) => load.once('close', resolve))
  clearInterval(timer)
  if (code !== 0) throw new Error(`The load of the soak ended with ${String(code)}; see above.`)
  return {
    memory,
    flatness: {
      driver: flatness(memory.driver),
      raylet: flatness(memory.raylet),
      'oldest worker': flatness(memory['oldest worker']),
      'mean worker': flatness(memory['mean worker']),
    },
    rounds: JSON.parse(stdout) as Record<string, number>,
  }
}

function sample(driverPid: number): Record<Series, number> | undefined {
  const rows = processTree(driverPid).flatMap((row) => {
    const resident = residentBytes(row.pid)
    return resident === undefined ? [] : [{ ...row, role: roleOf(row), ...resident }]
  })
  return seriesOf(rows, driverPid)
}
