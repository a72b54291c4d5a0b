// Starts workers as processes of this machine.
//   fd 0 nothing · 1, 2 pipes to the raylet · 3 the strip service's pipe
// A worker gets the driver's arguments and environment, minus what only one process can have; its
// working directory is the driver's. It leaves when its connection to the raylet closes; should it
// be too busy for that, the sentinel ends it. It leads a process group of its own, which ends with
// it: programs that tasks have started do not stay behind.
// Native libraries read how many threads to make from the environment before the first task runs,
// so their number is fixed here: one per CPU of the leases this worker is for.
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { toHex } from '../common/ids.ts'
import type { Log } from '../common/log.ts'
import type { ProcessExit, WorkerEvents, WorkerHandle, WorkerLauncher } from './worker-launcher.ts'
import type { WorkerStart } from './turn.ts'

/** Number of threads of what users may have loaded; a name the driver's env sets is left alone. */
const THREAD_COUNTS = [
  'OMP_NUM_THREADS',
  'UV_THREADPOOL_SIZE',
  'VIPS_CONCURRENCY',
  'OPENBLAS_NUM_THREADS',
  'MKL_NUM_THREADS',
  'VECLIB_MAXIMUM_THREADS',
  'NUMEXPR_NUM_THREADS',
  'RAYON_NUM_THREADS',
  'TF_NUM_INTRAOP_THREADS',
] as const

export interface ProcessLauncherOptions {
  /** Path of the worker's main module, .ts or .js. */
  readonly workerMain: string
  readonly execPath: string
  readonly rayletAddress: string
  readonly sessionDir: string
}

export interface ProcessLauncherDeps {
  readonly log: Log
  /** Serves one worker's strip requests. */
  readonly serveStrip: (stream: Duplex) => void
  /** Ends the workers of a raylet that died without warning. */
  readonly sentinel: { watch(pid: number): void; forget(pid: number): void }
}

export function processLauncher(
  deps: ProcessLauncherDeps,
  options: ProcessLauncherOptions,
): WorkerLauncher {
  return { start: (worker, events) => startProcess(deps, options, { worker, events }) }
}

interface Starting {
  readonly worker: WorkerStart
  readonly events: WorkerEvents
}

function startProcess(
  deps: ProcessLauncherDeps,
  options: ProcessLauncherOptions,
  { worker, events }: Starting,
): WorkerHandle {
  const { job } = worker
  const cwd = worker.env?.workingDir ?? job.cwd
  const isInspected = worker.inspect || job.env['VIRGA_INSPECT'] === '1'
  const inspect = isInspected ? ['--inspect=0'] : []
  const child = spawn(
    options.execPath,
    [...job.execArgv, ...inspect, options.workerMain, ...job.argv.slice(1)],
    {
      cwd,
      env: workerEnv(options, worker),
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      detached: true,
      windowsHide: true,
    },
  )
  watch(child, deps, { events, cwd })
  return {
    pid: child.pid ?? 0,
    signal: (signal) => {
      child.kill(signal)
    },
    pauseOutput: () => {
      child.stdout?.pause()
      child.stderr?.pause()
    },
    resumeOutput: () => {
      child.stdout?.resume()
      child.stderr?.resume()
    },
  }
}

interface Started {
  readonly events: WorkerEvents
  readonly cwd: string
}

function watch(child: ChildProcess, deps: ProcessLauncherDeps, { events, cwd }: Started): void {
  let told = false
  const exited = (exit: ProcessExit): void => {
    if (told) return
    told = true
    events.exited(exit)
  }
  child.stdout?.on('data', (chunk: Buffer) => {
    if (!told) events.output('stdout', chunk)
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    if (!told) events.output('stderr', chunk)
  })
  child.on('error', (error) => {
    // Node blames the executable for a folder that is not there.
    const isMissing = !existsSync(cwd)
    const reason = isMissing ? `its working directory ${cwd} does not exist` : error.message
    const why = `a worker could not be started: ${reason}`
    deps.log.error('a worker could not be started', { error: why })
    events.output('stderr', Buffer.from(`${why}\n`))
    exited({ code: null, signal: null, ...(isMissing ? { missingDir: cwd } : {}) })
  })
  let code: number | null = null
  let signal: string | null = null
  const { pid } = child
  if (pid !== undefined) deps.sentinel.watch(pid)
  child.on('exit', (exitCode, exitSignal) => {
    if (pid !== undefined) {
      endGroup(pid)
      deps.sentinel.forget(pid)
    }
    code = exitCode
    signal = exitSignal
    // A program that left its group may hold the pipes open for ever; the last words come at once.
    const timer = setTimeout(() => {
      exited({ code, signal })
      child.stdout?.destroy()
      child.stderr?.destroy()
    }, LAST_WORDS_MS)
    timer.unref()
  })
  // 'close' comes once the output has been read to its end.
  child.on('close', () => {
    exited({ code, signal })
  })
  const stripPipe = child.stdio[3]
  if (stripPipe !== null && stripPipe !== undefined) deps.serveStrip(stripPipe as Duplex)
}

/** Ends what a worker's tasks have started and left. @param pid  of the worker, which has ended */
function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // None is left, as a rule.
  }
}

/** How long output is read after the process has exited, when the pipes stay open. */
const LAST_WORDS_MS = 100

function workerEnv(options: ProcessLauncherOptions, worker: WorkerStart): Record<string, string> {
  const { job } = worker
  const threads = Object.fromEntries(
    THREAD_COUNTS.map((name) => [name, String(Math.max(1, worker.cpus))]),
  )
  return {
    ...threads,
    ...job.env,
    ...worker.env?.envVars,
    VIRGA_WORKER_ID: toHex(worker.workerId),
    VIRGA_RAYLET_ADDRESS: options.rayletAddress,
    VIRGA_SESSION_DIR: options.sessionDir,
    VIRGA_JOB_ID: toHex(worker.jobId),
    ...(worker.entryFirst === true ? { VIRGA_ENTRY_FIRST: '1' } : {}),
  }
}
