// Finding the cluster that init() means, or starting one for this program.
import { spawn, type ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { InitSpecOptions } from '../runtime/common/call-options.ts'
import { UsageError, VirgaError } from '../runtime/common/errors.ts'
import type { NodeCredentials } from '../runtime/common/node-credentials.ts'
import type { Random } from '../runtime/common/random.ts'
import {
  createSessionDir,
  findCurrent,
  listSessions,
  rayletSocket,
  removeSessionDir,
  sweepSessions,
  writeCredentials,
} from '../runtime/common/session-file.ts'
import type { SessionNode } from '../runtime/common/session-node.ts'
import type { StartDeps } from '../runtime/core-worker/start.ts'
import { rayletEnv } from './raylet-env.ts'

/** A cluster that a driver can say hello to. */
export interface OpenedCluster {
  readonly rayletAddress: string
  readonly sessionDir: string
  /** Set in inline mode: everything stays in this process. */
  readonly transport?: StartDeps['transport']
  openMemory?: StartDeps['openMemory']
  /** Ends what was started for this program; its raylet leaves with its driver's connection. */
  close(): Promise<void>
  /** The same where no driver has come to be. */
  abandon(): Promise<void>
}

/** `s3://bucket/prefix`, its emulator if it is one, and whether the disk is used before it. */
interface SpillTarget {
  readonly bucket: string
  readonly diskFirst: boolean
  readonly endpoint?: string
}

/** What a raylet is started with: VIRGA_RAYLET_OPTIONS, as JSON. */
interface RayletStartOptions {
  readonly sessionDir: string
  readonly resources: InitSpecOptions['resources']
  readonly labels: InitSpecOptions['labels']
  readonly objectStoreMemoryBytes: number | undefined
  readonly objectStore: 'shm' | 'file'
  /** Default: the local disk. */
  readonly spill: SpillTarget | undefined
  /** Made for one driver: it leaves when that driver does. */
  readonly owned: boolean
  readonly port: number | undefined
  /** It is one of several nodes. HERE: it holds the GCS; else the address or URL of what does. */
  readonly gcs?: string
  /** How many nodes share this machine. */
  readonly nodesHere?: number
}

/** Where a raylet stands. */
export interface RayletPlace extends Pick<
  RayletStartOptions,
  'owned' | 'port' | 'gcs' | 'nodesHere'
> {
  /** Of a node of several. */
  readonly credentials?: NodeCredentials
}

export interface StartedRaylet {
  readonly child: ChildProcess
  readonly sessionDir: string
  /** Resolves when its process has ended. */
  readonly gone: Promise<void>
}

const READY_TIMEOUT_MS = 30_000

/** The cluster that is meant: what init() was given, else VIRGA_ADDRESS. */
export function addressOf({ address }: InitSpecOptions): string | undefined {
  const given = address ?? process.env['VIRGA_ADDRESS']
  return given === '' ? undefined : given
}

export async function openCluster(spec: InitSpecOptions, random: Random): Promise<OpenedCluster> {
  if (process.platform === 'win32') {
    throw new UsageError('Virga runs on Linux and macOS; on Windows, run it inside WSL')
  }
  const { address } = spec
  if (address === undefined) {
    const current = findCurrent()
    return current === undefined ? startOwn(spec, random) : joined(spec, current)
  }
  if (address === 'local') return startOwn(spec, random)
  if (address === 'auto') {
    return joined(spec, findCurrent() ?? missing('no cluster runs on this machine'))
  }
  return joined(spec, findSession(address))
}

/** Its garbage is short-lived: V8's 128 MB for young objects would only be resident (D59). */
const RAYLET_ARGV = ['--max-semi-space-size=8']

/**
 * Starts a raylet with a session folder and a process group of its own, and waits until it
 * answers.
 */
export async function startRaylet(
  spec: Pick<InitSpecOptions, 'resources' | 'labels' | 'objectStoreMemoryBytes'>,
  { credentials, ...place }: RayletPlace,
  random: Random,
): Promise<StartedRaylet> {
  const { resources, labels, objectStoreMemoryBytes } = spec
  const sessionDir = createSessionDir(Buffer.from(random.bytes(3)).toString('hex'))
  if (credentials !== undefined) writeCredentials(sessionDir, credentials)
  const options: RayletStartOptions = {
    sessionDir,
    resources,
    labels,
    objectStoreMemoryBytes,
    objectStore: objectStoreKind(),
    spill: spillTarget(place.gcs),
    ...place,
  }
  const child = spawnRaylet(options)
  try {
    await ready(child, sessionDir)
  } catch (error) {
    child.kill('SIGKILL')
    removeSessionDir(sessionDir)
    throw error
  }
  child.unref()
  ;(child.stdout as unknown as { unref(): void }).unref()
  const gone = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve()
    })
  })
  return { child, sessionDir, gone }
}

function spawnRaylet(options: RayletStartOptions): ChildProcess {
  const log = openSync(join(options.sessionDir, 'logs', 'raylet.err'), 'a', 0o600)
  try {
    return spawn(process.execPath, [...RAYLET_ARGV, rayletMain()], {
      detached: true,
      stdio: ['ignore', 'pipe', log],
      env: { ...rayletEnv(process.env), VIRGA_RAYLET_OPTIONS: JSON.stringify(options) },
    })
  } finally {
    closeSync(log) // the raylet has it now
  }
}

async function startOwn(spec: InitSpecOptions, random: Random): Promise<OpenedCluster> {
  sweepSessions()
  const own = { owned: true, port: undefined }
  const { child, sessionDir, gone } = await startRaylet(spec, own, random)
  const close = async (): Promise<void> => {
    child.ref()
    if (child.exitCode === null && child.signalCode === null) await gone
  }
  return {
    rayletAddress: rayletSocket(sessionDir),
    sessionDir,
    close,
    abandon: () => {
      child.kill('SIGINT') // else it would wait for its driver's hello
      return close()
    },
  }
}

function objectStoreKind(): 'shm' | 'file' {
  const wanted = process.env['VIRGA_OBJECT_STORE']
  if (wanted === 'file' || wanted === 'shm') return wanted
  return process.platform === 'linux' && existsSync('/dev/shm') ? 'shm' : 'file'
}

/**
 * @param gcs  where the GCS is: the emulator that has it has the bucket, too.
 * @throws UsageError when VIRGA_SPILL says none of the three.
 */
export function spillTarget(gcs: string | undefined): SpillTarget | undefined {
  const wanted = process.env['VIRGA_SPILL'] ?? ''
  if (wanted === '' || wanted === 'disk') return undefined
  const diskFirst = wanted.startsWith('disk,')
  const bucket = diskFirst ? wanted.slice('disk,'.length) : wanted
  if (!bucket.startsWith('s3://')) {
    throw new UsageError(
      `VIRGA_SPILL=${wanted} is not understood: give disk, s3://bucket/prefix, or ` +
        'disk,s3://bucket/prefix, which uses S3 once the disk is full',
    )
  }
  const ofGcs = /^https?:/.test(gcs ?? '') ? gcs : undefined
  const endpoint = process.env['AWS_ENDPOINT_URL'] ?? ofGcs
  return { bucket, diskFirst, ...(endpoint === undefined ? {} : { endpoint }) }
}

function joined(spec: InitSpecOptions, node: SessionNode): OpenedCluster {
  warnOfUnused(spec, node)
  return {
    rayletAddress: node.address,
    sessionDir: node.sessionDir,
    close: () => Promise.resolve(),
    abandon: () => Promise.resolve(),
  }
}

/** Ray refuses them; the same program is to run with a cluster and without one. */
function warnOfUnused(
  { resources, labels, objectStoreMemoryBytes }: InitSpecOptions,
  { address }: SessionNode,
): void {
  const unused = [
    ...Object.entries(resources).flatMap(([name, value]) => (value === undefined ? [] : [name])),
    ...(Object.keys(labels).length === 0 ? [] : ['labels']),
    ...(objectStoreMemoryBytes === undefined ? [] : ['objectStoreMemoryBytes']),
  ]
  if (unused.length === 0) return
  process.emitWarning(
    `init() joined the cluster at unix:${address}, so its ${unused.join(', ')} had no effect: a ` +
      "cluster has its own. Leave it out, or start one for this program with address: 'local'.",
    { type: 'VirgaWarning', code: 'VIRGA_OPTIONS_UNUSED' },
  )
}

function findSession(address: string): SessionNode {
  if (address.startsWith('unix:')) {
    const path = address.slice('unix:'.length)
    const found = listSessions().find((node) => node.address === path)
    return found ?? missing(`no raylet answers at ${address}`)
  }
  const match = /^(127\.0\.0\.1|localhost):(\d+)$/.exec(address)
  if (match === null) {
    throw new UsageError(
      `address '${address}' is none that this version can reach: give 'local', 'auto', 'inline', ` +
        "'unix:PATH' or '127.0.0.1:PORT'",
    )
  }
  const found = listSessions().find((node) => node.port === Number(match[2]))
  return found ?? missing(`no cluster of this machine has the address ${address}`)
}

function missing(what: string): never {
  throw new UsageError(`${what}; start one with \`virga start\`, or call init() without an address`)
}

function rayletMain(): string {
  const here = import.meta.url
  const file = here.endsWith('.ts') ? '../runtime/raylet/main.ts' : './raylet-main.js'
  return fileURLToPath(new URL(file, here))
}

function ready(child: ChildProcess, sessionDir: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    const fail = (why: string): void => {
      clearTimeout(timer)
      const log = join(sessionDir, 'logs', 'raylet.err')
      reject(new VirgaError(`the raylet did not start: ${why}. ${tailOf(log)}`))
    }
    const timer = setTimeout(() => {
      fail(`it did not answer within ${String(READY_TIMEOUT_MS)} ms`)
    }, READY_TIMEOUT_MS)
    child.once('error', (error) => {
      fail(error.message)
    })
    const exited = (code: number | null, signal: NodeJS.Signals | null): void => {
      fail(`it exited with ${signal ?? `code ${String(code)}`}`)
    }
    child.once('exit', exited)
    const heard = (chunk: Buffer): void => {
      text += chunk.toString()
      if (!text.includes('\n')) return
      clearTimeout(timer)
      child.off('exit', exited)
      child.stdout?.off('data', heard).resume() // what comes later is for nobody, and not kept
      resolve()
    }
    child.stdout?.on('data', heard)
  })
}

function tailOf(log: string): string {
  const text = existsSync(log) ? readFileSync(log, 'utf8').trim() : ''
  return text === ''
    ? `It wrote nothing to ${log}: see whether that disk has room.`
    : `It wrote:\n${text.slice(-2000)}`
}
