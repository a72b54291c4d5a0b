// `npm run profile ROW [-- --seconds N --top N --out FOLDER]`: where a row of the bench spends its
// time, in the driver, the raylet and each worker: a table of self times, and a flame graph (SVG)
// and a .cpuprofile (opens in Chrome and VS Code) per process.
import { existsSync, mkdirSync, mkdtempSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { runScript } from './arguments.ts'
import { startContender } from './contender-process.ts'
import { readCpuProfile, selfTimes } from './cpu-profile.ts'
import { flameGraph } from './flame-graph.ts'
import { type Role, processTree, roleOf } from './processes.ts'
import { parseProfileOptions } from './profile-options.ts'
import { workloadOf } from './rows.ts'

const WRITE_TIMEOUT_MS = 10_000
const CONTENDER = join(import.meta.dirname, 'virga/contender.ts')
const HOOK = pathToFileURL(join(import.meta.dirname, 'profile-hook.js')).href

interface Profiled {
  readonly role: Role
  readonly pid: number
  /** Of one core while the row ran, by the kernel's count. */
  readonly cpuSeconds: number
}

async function profile(workload: string, seconds: number, folder: string): Promise<Profiled[]> {
  const nodeOptions = `${process.env['NODE_OPTIONS'] ?? ''} --import=${HOOK}`.trim()
  const contender = await startContender(
    {
      program: process.execPath,
      args: [CONTENDER],
      env: { NODE_OPTIONS: nodeOptions, PROFILE_FOLDER: folder },
    },
    workload,
  )
  if (contender.missing !== undefined) throw new Error(`${workload}: ${contender.missing}`)
  await contender.ask('warm', seconds / 2)
  const before = processTree(contender.pid).flatMap((row) => {
    const role = roleOf(row)
    return role === undefined ? [] : [{ ...row, role }]
  })
  for (const { pid } of before) process.kill(pid, 'SIGUSR2')
  const values = await contender.ask('round', seconds)
  const after = processTree(contender.pid)
  process.stdout.write(`${workload}, while sampled: ${JSON.stringify(values)}\n`)
  const profiled = before.flatMap(({ pid, role, cpuSeconds }) => {
    const now = after.find((row) => row.pid === pid)
    if (now === undefined) return [] // ended meanwhile, by the raylet's idle rule
    process.kill(pid, 'SIGUSR2')
    return [{ role, pid, cpuSeconds: now.cpuSeconds - cpuSeconds }]
  })
  for (const { pid } of profiled) await written(join(folder, `${pid}.cpuprofile`))
  await contender.end()
  return profiled
}

async function written(path: string): Promise<void> {
  const deadlineMs = performance.now() + WRITE_TIMEOUT_MS
  while (!existsSync(path)) {
    if (performance.now() > deadlineMs) throw new Error(`no profile was written to ${path}`)
    await sleep(20)
  }
}

function show({ role, pid, cpuSeconds }: Profiled, folder: string, top: number): void {
  const path = join(folder, `${role}-${pid}`)
  renameSync(join(folder, `${pid}.cpuprofile`), `${path}.cpuprofile`)
  const root = readCpuProfile(`${path}.cpuprofile`)
  writeFileSync(`${path}.svg`, flameGraph(`${role} ${pid}`, root))
  const lines = selfTimes(root)
    .slice(0, top)
    .map(
      ([frame, selfUs]) => `${((100 * selfUs) / root.totalUs).toFixed(1).padStart(6)} %  ${frame}`,
    )
  const head = `\n${role} ${pid}: ${cpuSeconds.toFixed(2)} s of CPU`
  process.stdout.write(`${head}\n${lines.join('\n')}\n`)
}

await runScript(async () => {
  const { row, seconds, top, out } = parseProfileOptions(process.argv.slice(2))
  const folder = out ?? mkdtempSync(join(tmpdir(), 'virga-profile-'))
  mkdirSync(folder, { recursive: true })
  const profiled = await profile(workloadOf(row), seconds, folder)
  for (const each of profiled) show(each, folder, top)
  process.stdout.write(`\nFlame graphs and .cpuprofile files are in ${folder}\n`)
})
