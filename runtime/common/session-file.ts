// Session folders: where the processes of one cluster on this machine find each other.
//   ROOT = $XDG_RUNTIME_DIR/virga or /tmp/virga-$UID, only its owner may enter (0700)
//   ROOT/current.json                     the cluster of `virga start`, if one runs
//   ROOT/session-<time>-<random>/node.json   who serves it: pid, start time, address, epoch
//                                /raylet.sock, logs/, spill/
//                                /credentials.json   of a node of several
// Invariants:
//   SF1. A folder is swept only when the process that made it is gone: same pid and start time.
//   SF2. A root that belongs to somebody else is refused: sockets in it would be theirs.
// A folder has no node.json for a moment after it was made, so its maker's pid is in its name.
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { UsageError, VirgaError } from './errors.ts'
import type { NodeCredentials } from './node-credentials.ts'
import type { SessionNode } from './session-node.ts'

/** Longest path of a Unix socket that every system takes. */
const SOCKET_PATH_BYTES_MAX = 103

/** The root folder, made and checked (SF2). */
export function sessionRoot(): string {
  const uid = process.getuid?.() ?? 0
  const runtimeDir = process.env['XDG_RUNTIME_DIR']
  const root =
    runtimeDir !== undefined && runtimeDir !== '' && isUsable(join(runtimeDir, 'virga'))
      ? join(runtimeDir, 'virga')
      : join('/tmp', `virga-${String(uid)}`)
  makeFolder(root)
  const stat = lstatSync(root)
  if (!stat.isDirectory() || stat.uid !== uid) {
    throw new UsageError(
      `${root} belongs to somebody else, so no cluster can be kept there. ` +
        'Remove it, or point XDG_RUNTIME_DIR to a folder of your own.',
    )
  }
  if ((stat.mode & 0o077) !== 0)
    told(root, () => {
      chmodSync(root, 0o700)
    })
  return root
}

const makeFolder = (path: string): void => {
  told(path, () => mkdirSync(path, { recursive: true, mode: 0o700 }))
}

/** @throws UsageError that says where and what to do, for a disk that is full or read-only. */
function told(path: string, make: () => void): void {
  try {
    make()
  } catch (cause) {
    throw new UsageError(
      `no cluster can be kept in ${path}: ${(cause as Error).message}. Free some room there or ` +
        'make it writable, or point XDG_RUNTIME_DIR to a folder of your own.',
      { cause },
    )
  }
}

function isUsable(root: string): boolean {
  if (
    Buffer.byteLength(join(root, 'session-99999999-99999999', 'raylet.sock')) >
    SOCKET_PATH_BYTES_MAX
  ) {
    return false
  }
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 })
    return true
  } catch {
    // An XDG_RUNTIME_DIR that does not exist or is not ours: the folder in /tmp serves.
    return false
  }
}

/**
 * A new session folder under the root, with logs/ in it.
 * @param suffix  a few random characters, so that one process can have several.
 */
export function createSessionDir(suffix: string): string {
  const dir = join(sessionRoot(), `session-${String(process.pid)}-${suffix}`)
  makeFolder(join(dir, 'logs'))
  return dir
}

export const rayletSocket = (sessionDir: string): string => join(sessionDir, 'raylet.sock')

export function writeNode(node: SessionNode): void {
  writeWhole(join(node.sessionDir, 'node.json'), node)
}

export function readNode(sessionDir: string): SessionNode | undefined {
  return readWhole(join(sessionDir, 'node.json'))
}

export function writeCredentials(sessionDir: string, credentials: NodeCredentials): void {
  writeWhole(credentialsFile(sessionDir), credentials)
}

/** @throws VirgaError when the folder has none. */
export function readCredentials(sessionDir: string): NodeCredentials {
  const credentials = findCredentials(sessionDir)
  if (credentials !== undefined) return credentials
  const path = credentialsFile(sessionDir)
  throw new VirgaError(`${path} is missing or broken: start the cluster anew`)
}

/** Undefined where the cluster is one node. */
export function findCredentials(sessionDir: string): NodeCredentials | undefined {
  return readWhole(credentialsFile(sessionDir))
}

const credentialsFile = (sessionDir: string): string => join(sessionDir, 'credentials.json')

/** Make this the cluster that `init()` finds. */
export function writeCurrent(node: SessionNode): void {
  writeWhole(join(sessionRoot(), 'current.json'), node)
}

/**
 * The cluster of `virga start`, if it is alive: by the node that was started first, or, where that
 * one is gone and the cluster has others here, by one of those.
 */
export function findCurrent(): SessionNode | undefined {
  const current = readWhole(join(sessionRoot(), 'current.json'))
  if (current !== undefined && isAlive(current)) return current
  return listSessions().find(({ cluster }) => cluster !== undefined)
}

/** Forget the current cluster, if it is this one. */
export function clearCurrent(sessionDir: string): void {
  const path = join(sessionRoot(), 'current.json')
  if (readWhole(path)?.sessionDir === sessionDir) rmSync(path, { force: true })
}

/** Every session whose raylet is alive. */
export function listSessions(): SessionNode[] {
  return sessionDirs(sessionRoot()).flatMap((dir) => {
    const node = readNode(dir)
    return node !== undefined && isAlive(node) ? [node] : []
  })
}

/**
 * Remove the folders of clusters that are gone, and what says where the current one was.
 * @returns how many folders were removed.
 */
export function sweepSessions(): number {
  let count = 0
  const current = readWhole(join(sessionRoot(), 'current.json'))
  if (current !== undefined && !isAlive(current)) clearCurrent(current.sessionDir)
  for (const dir of sessionDirs(sessionRoot())) {
    const node = readNode(dir)
    const alive = node === undefined ? makerIsAlive(dir) : isAlive(node)
    if (alive) continue
    removeSessionDir(dir)
    count += 1
  }
  return count
}

export function removeSessionDir(sessionDir: string): void {
  rmSync(sessionDir, { recursive: true, force: true })
}

/** Whether that very process runs: its pid may belong to another by now. */
export function isAlive(node: Pick<SessionNode, 'pid' | 'startTime'>): boolean {
  if (!pidExists(node.pid)) return false
  return node.startTime === '' || startTimeOf(node.pid) === node.startTime
}

/** When the process was started, in a form that only compares; '' where there is no /proc. */
export function startTimeOf(pid: number): string {
  const stat = readText(`/proc/${String(pid)}/stat`)
  // The name in parentheses may contain anything: fields are counted after it. starttime is the
  // 22nd.
  const state = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (state?.[0] === 'Z') return 'zombie'
  return state?.[19] ?? ''
}

function makerIsAlive(dir: string): boolean {
  const pid = Number(/session-(\d+)-/.exec(dir)?.[1])
  return Number.isInteger(pid) && pidExists(pid)
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // A process of somebody else exists too.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function sessionDirs(root: string): string[] {
  return readdirSync(root)
    .filter((name) => name.startsWith('session-'))
    .map((name) => join(root, name))
}

/** Readers see the old file or the new one, never half of it. */
function writeWhole(path: string, value: SessionNode | NodeCredentials): void {
  const temporary = `${path}.${String(process.pid)}`
  told(path, () => {
    writeFileSync(temporary, JSON.stringify(value), { mode: 0o600 })
    renameSync(temporary, path)
  })
}

function readWhole<T = SessionNode>(path: string): T | undefined {
  const text = readText(path)
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as T
  } catch {
    // Not ours, or from a crash of the machine: as good as none.
    return undefined
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}
