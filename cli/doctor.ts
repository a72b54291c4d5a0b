// `virga doctor`: whether this machine is fit for Virga, and what to do where it is not.
// Each check is ok, a warning (it works, less well) or a failure (it does not work): exit code 1.
import { bytesText, countText, plural } from './amounts.ts'
import { EXIT } from './exit-codes.ts'
import type { Clusters, Input, Machine, Paint, World } from './world.ts'

export interface Check {
  readonly name: string
  readonly state: 'ok' | 'warn' | 'fail'
  /** What was found. */
  readonly found: string
  /** What to do; only where something is to be done. */
  readonly advice?: string
}

const NODE_MIN = [22, 18] as const
const GIB = 1024 ** 3
const SHARED_BYTES_MIN = GIB
/** Every worker has a socket, pipes and its peers; 1,024 is too few from a few dozen on. */
const OPEN_FILES_MIN = 4_096
/** Node starts some ten threads per process; threads count as processes. */
const PROCESSES_PER_CPU = 64
const DISK_BYTES_MIN = GIB
const MEMORY_PER_CPU_BYTES = 256 * 1024 ** 2

export async function run(world: World, input: Input): Promise<number> {
  const [machine, clusters] = await Promise.all([world.machine(), world.clusters()])
  const checks = await checksOf(machine, clusters)
  const failed = checks.filter((check) => check.state === 'fail').length
  if (input.json) world.screen.print(JSON.stringify({ ok: failed === 0, checks }))
  else show(world, checks, failed)
  return failed === 0 ? EXIT.DONE : EXIT.FAILED
}

export async function checksOf(machine: Machine, clusters: Clusters): Promise<Check[]> {
  const folder = sessionFolder(machine)
  return [
    platform(machine),
    nodeVersion(machine),
    sharedMemory(machine),
    await koffi(machine),
    openFiles(machine),
    processes(machine),
    memory(machine),
    folder,
    // Without the folder nobody can say what lies in it.
    ...(folder.state === 'fail' ? [] : [leftovers(clusters), running(clusters)]),
  ]
}

function platform({ platform: name, cpuCount }: Machine): Check {
  const found = `${name}, ${plural(cpuCount, 'CPU')}`
  if (name === 'linux') return { name: 'system', state: 'ok', found }
  if (name === 'win32') {
    return { name: 'system', state: 'fail', found, advice: 'Run Virga inside WSL.' }
  }
  const advice = 'Large objects are copied through files here; Linux reads them in place.'
  return { name: 'system', state: 'warn', found, advice }
}

function nodeVersion({ nodeVersion: version }: Machine): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [majorMin, minorMin] = NODE_MIN
  const isGood = major > majorMin || (major === majorMin && minor >= minorMin)
  if (isGood) return { name: 'Node', state: 'ok', found: version }
  const advice = `Install Node ${NODE_MIN.join('.')} or newer: it runs TypeScript without a loader.`
  return { name: 'Node', state: 'fail', found: version, advice }
}

function sharedMemory(machine: Machine): Check {
  const name = 'shared memory'
  const memory = machine.sharedMemory()
  if (memory === undefined) {
    const advice =
      'Large objects are copied through files. Mount a tmpfs at /dev/shm ' +
      '(docker run --shm-size=4g).'
    return { name, state: 'warn', found: 'no /dev/shm', advice }
  }
  const found = `/dev/shm has ${bytesText(memory.freeBytes)} free of ${bytesText(memory.sizeBytes)}`
  if (machine.mountOptions('/dev/shm')?.includes('ro') === true) {
    const advice = 'It is read-only: mount it writable (mount -o remount,rw /dev/shm).'
    return { name, state: 'fail', found, advice }
  }
  if (memory.freeBytes < SHARED_BYTES_MIN) {
    const advice =
      `The object store gets less than ${bytesText(SHARED_BYTES_MIN)} and spills early: make it ` +
      'larger (mount -o remount,size=4G /dev/shm, or docker run --shm-size=4g), or free some.'
    return { name, state: 'warn', found, advice }
  }
  const noexec = machine.mountOptions('/dev/shm')?.includes('noexec') === true
  return { name, state: 'ok', found: noexec ? `${found}, noexec (not needed)` : found }
}

async function koffi(machine: Machine): Promise<Check> {
  const problem = await machine.koffi()
  if (problem === undefined) return { name: 'koffi', state: 'ok', found: 'loads' }
  const advice =
    'Objects are copied through files instead of read in place. Install again on this very ' +
    'system (npm ci), with optional packages.'
  return { name: 'koffi', state: 'warn', found: `does not load: ${problem}`, advice }
}

function openFiles(machine: Machine): Check {
  const { openFiles: count } = machine.limits()
  return limit('open files', count, OPEN_FILES_MIN, `Raise it: ulimit -n ${OPEN_FILES_MIN * 4}.`)
}

function processes(machine: Machine): Check {
  const { processes: count } = machine.limits()
  const min = machine.cpuCount * PROCESSES_PER_CPU
  return limit('processes', count, min, `Raise it: ulimit -u ${Math.max(4096, min * 4)}.`)
}

function limit(name: string, count: number | undefined, min: number, advice: string): Check {
  if (count === undefined) return { name, state: 'ok', found: 'not limited in a way known here' }
  const found = count === Infinity ? 'no limit' : `${countText(count)} at most`
  if (count >= min) return { name, state: 'ok', found }
  return { name, state: 'warn', found: `${found}, ${countText(min)} are wanted`, advice }
}

function memory(machine: Machine): Check {
  const { totalBytes, cgroupBytes } = machine.memory()
  const limited = cgroupBytes !== undefined && cgroupBytes < totalBytes
  const bytes = limited ? cgroupBytes : totalBytes
  const found = limited
    ? `${bytesText(bytes)} (limit of the cgroup; the machine has ${bytesText(totalBytes)})`
    : bytesText(bytes)
  if (bytes >= machine.cpuCount * MEMORY_PER_CPU_BYTES)
    return { name: 'memory', state: 'ok', found }
  const cpus = Math.max(1, Math.floor(bytes / MEMORY_PER_CPU_BYTES))
  const advice =
    `There is little for ${plural(machine.cpuCount, 'worker')}: give more, or start fewer with ` +
    `init({ numCpus: ${cpus} }).`
  return { name: 'memory', state: 'warn', found, advice }
}

function sessionFolder(machine: Machine): Check {
  const name = 'session folder'
  let folder: ReturnType<Machine['sessionRoot']>
  try {
    folder = machine.sessionRoot()
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error)
    const advice = 'Give XDG_RUNTIME_DIR a folder that only you can write to.'
    return { name, state: 'fail', found, advice }
  }
  const found = `${folder.path}, ${bytesText(folder.freeBytes)} free`
  if (folder.freeBytes >= DISK_BYTES_MIN) return { name, state: 'ok', found }
  const advice = 'Logs and spilled objects go there: free some room.'
  return { name, state: 'warn', found, advice }
}

function leftovers(clusters: Clusters): Check {
  const { stale } = clusters.leftovers()
  const name = 'left over'
  if (stale.length === 0) return { name, state: 'ok', found: 'nothing of clusters that are gone' }
  const found = `${plural(stale.length, 'folder')} of clusters that are gone: ${stale.join(', ')}`
  return { name, state: 'warn', found, advice: 'The next start of a cluster removes them.' }
}

function running(clusters: Clusters): Check {
  const nodes = clusters.list()
  const found = nodes.map((node) => `unix:${node.address} (pid ${node.pid})`).join(', ')
  return { name: 'clusters', state: 'ok', found: found === '' ? 'none runs now' : found }
}

const PAINTS: Readonly<Record<Check['state'], Paint>> = {
  ok: 'green',
  warn: 'yellow',
  fail: 'red',
}

function show(world: World, checks: readonly Check[], failed: number): void {
  const { screen } = world
  const width = Math.max(...checks.map(({ name }) => name.length))
  for (const { name, state, found, advice } of checks) {
    screen.print(`${screen.paint(PAINTS[state], state.padEnd(4))}  ${name.padEnd(width)}  ${found}`)
    if (advice !== undefined) screen.print(`${' '.repeat(width + 8)}${advice}`)
  }
  const warned = checks.filter((check) => check.state === 'warn').length
  if (failed > 0) screen.print(screen.paint('red', `${plural(failed, 'check')} failed.`))
  else if (warned > 0) screen.print(`Virga runs here; ${plural(warned, 'warning')}.`)
  else screen.print('All is well.')
}
