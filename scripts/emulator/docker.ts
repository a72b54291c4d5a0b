// Docker's engine: the one of this machine, or else Debian's own, with sockets, data and a network
// of its own, which ends with stop(). Nothing of it needs a registry, and no firewall is touched:
// published ports lie on 127.0.0.1 and are served by Docker's own proxy.
import { execFile } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { startGuarded } from './guarded.ts'
import { reasonOf } from './reason-of.ts'

const run = promisify(execFile)

const READY_MS_MAX = 30_000
const POLL_MS = 200
/** Where Debian keeps what only root uses. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`

export interface DockerEngine {
  /** For DOCKER_HOST; undefined: the machine's own, as every client finds it. */
  readonly host: string | undefined
  stop(): Promise<void>
}

/** Runs `docker ARGS` on that engine. @returns what it printed. */
export async function docker(host: string | undefined, ...args: string[]): Promise<string> {
  const env = { ...process.env, PATH, ...(host === undefined ? {} : { DOCKER_HOST: host }) }
  const { stdout } = await run('docker', args, { env })
  return stdout
}

/** @returns an engine that answers, or in one sentence why there is none. */
export async function startDocker(): Promise<DockerEngine | { missing: string }> {
  if (await answers(undefined)) return { host: undefined, stop: () => Promise.resolve() }
  try {
    if (process.getuid?.() !== 0) throw new Error('none answers, and only root can start one')
    await install()
    return await startOwn()
  } catch (error) {
    return { missing: `Docker's engine cannot run here: ${reasonOf(error)}` }
  }
}

const answers = (host: string | undefined): Promise<boolean> =>
  docker(host, 'version', '--format', '{{.Server.Version}}').then(
    () => true,
    () => false,
  )

async function install(): Promise<void> {
  const there = await run('dockerd', ['--version'], { env: { ...process.env, PATH } }).then(
    () => true,
    () => false,
  )
  if (there) return
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['update', '-qq'], { env })
  const packages = ['docker.io', 'iproute2']
  await run('apt-get', ['install', '-qq', '--no-install-recommends', ...packages], { env })
}

async function startOwn(): Promise<DockerEngine> {
  const bridge = `virga${String(process.pid)}`
  // Of the range for private networks: two engines at once hardly ever draw the same.
  const net = `10.213.${String(process.pid % 256)}`
  const script = [
    'ip link add "$BRIDGE" type bridge',
    'ip addr add "$NET.1/24" dev "$BRIDGE"',
    'ip link set "$BRIDGE" up',
    'exec dockerd --host "unix://$TMPDIR/docker.sock" --data-root "$TMPDIR/data"' +
      ' --exec-root "$TMPDIR/exec" --pidfile "$TMPDIR/pid" --storage-driver vfs' +
      ' --bridge "$BRIDGE" --ip 127.0.0.1 --iptables=false --ip6tables=false',
  ].join(' && ')
  let host = ''
  const engine = startGuarded({
    command: '/bin/sh',
    args: ['-c', script],
    env: (folder) => {
      host = `unix://${folder}/docker.sock`
      return { PATH, BRIDGE: bridge, NET: net }
    },
    end: 'kill $child; wait $child; ip link del "$BRIDGE"',
  })
  const endMs = Date.now() + READY_MS_MAX
  while (!(await answers(host))) {
    if (Date.now() > endMs) {
      await engine.stop()
      throw new Error(`it did not answer: ${engine.said()}`)
    }
    await delay(POLL_MS)
  }
  return { host, stop: () => engine.stop() }
}
