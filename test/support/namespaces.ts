// A network of machines on this one: each host has a network namespace of its own, and a router
// that they all reach each other through, so that a partition is a real one: packets vanish.
//
//   outside (this process) --+
//   host 0 --veth------------+-- router: forwards, or drops by rule "from A to B"
//   host 1 --veth------------+
//
// Needs root and iproute2; nothing of the machine's own network is changed but a link and a route.
// Invariants:
//   NS1. Names carry the pid and start time of their maker: what a dead one left is swept by the
//        next one, with the processes in it, and nothing else is touched.
//   NS2. What is cut loses packets silently, as a broken network does, and is told nothing.
import { execFileSync } from 'node:child_process'
import { isAlive, startTimeOf } from '../../runtime/common/session-file.ts'

const PREFIX = 'virga-test'
const ROUTER = 'router'
const EVERYWHERE = '0.0.0.0/0'
/** This end of the link to the router. */
const LINK = `vt${String(process.pid)}`

/** A host, or `outside`: where the test and its emulators are. */
export type Site = number | 'outside'

export interface Namespaces {
  /** At which each host is reached, by its number. */
  readonly addresses: readonly string[]
  /** At which hosts reach what listens here. */
  readonly outside: string
  /** The command line that runs the given one on that host, under the pid that is spawned. */
  commandOn(host: number, command: readonly string[]): string[]
  /** Packets from the one to the other vanish from now on; `bothWays` is the default. */
  cut(from: Site, to: Site, ways?: 'oneWay' | 'bothWays'): void
  /** That host reaches nobody, and nobody reaches it. */
  isolate(host: number): void
  /** What reaches that host, and what it sends, goes at that speed. */
  slow(host: number, bytesPerS: number): void
  /** Nothing is cut or slow any more. */
  heal(): void
  remove(): void
}

/** @returns why no namespaces can be made here; undefined where they can. */
export function whyNoNamespaces(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are of Linux'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  try {
    const probe = nameOf('probe')
    ip('netns', 'add', probe)
    ip('netns', 'del', probe)
    return undefined
  } catch (error) {
    return `no network namespace can be made: ${String(error)}`
  }
}

/** @throws where whyNoNamespaces() has a reason. */
export function makeNamespaces(hostCount: number): Namespaces {
  sweep()
  const net = `10.${String(128 + ((process.pid >> 8) & 127))}.${String(process.pid & 255)}`
  const addresses = Array.from({ length: hostCount }, (_, host) => `${net}.${String(host + 11)}`)
  const plan = { net, gateway: `${net}.254`, outside: `${net}.1`, router: nameOf(ROUTER) }
  addNamespace(plan.router)
  inNamespace(plan.router, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward')
  for (const [host, address] of addresses.entries()) addHost(plan, host, address)
  addOutside(plan)
  const at = (site: Site): string => {
    const address = site === 'outside' ? plan.outside : addresses[site]
    if (address === undefined) throw new Error(`there is no host ${site}`)
    return address
  }
  const drops = new Drops(plan.router)
  const slowed = new Set<number>()
  return {
    addresses,
    outside: plan.outside,
    // Not `ip netns exec`: that would mount another /sys, without this machine's control groups.
    commandOn: (host, command) => {
      return ['nsenter', `--net=/run/netns/${nameOf(String(host))}`, '--', ...command]
    },
    cut: (from, to, ways = 'bothWays') => {
      drops.add(at(from), at(to))
      if (ways === 'bothWays') drops.add(at(to), at(from))
    },
    isolate: (host) => {
      drops.add(at(host), EVERYWHERE)
      drops.add(EVERYWHERE, at(host))
    },
    slow: (host, bytesPerS) => {
      const rate = `${String(8 * bytesPerS)}bit`
      const limit = ['tbf', 'rate', rate, 'burst', '16kb', 'latency', '1s']
      for (const [name, dev] of linkOf(plan, host)) {
        run('tc', '-n', name, 'qdisc', 'replace', 'dev', dev, 'root', ...limit)
      }
      slowed.add(host)
    },
    heal: () => {
      drops.clear()
      for (const host of slowed) {
        for (const [name, dev] of linkOf(plan, host)) {
          run('tc', '-n', name, 'qdisc', 'del', 'dev', dev, 'root')
        }
      }
      slowed.clear()
    },
    remove: () => {
      ip('link', 'del', LINK) // it would go with its other end, but some time after
      for (const host of addresses.keys()) removeNamespace(nameOf(String(host)))
      removeNamespace(plan.router)
    },
  }
}

interface Plan {
  /** The first three numbers of every address. */
  readonly net: string
  readonly gateway: string
  readonly outside: string
  /** The namespace that forwards. */
  readonly router: string
}

function addNamespace(name: string): void {
  ip('netns', 'add', name)
  ip('-n', name, 'link', 'set', 'lo', 'up')
}

function addHost({ gateway, router }: Plan, host: number, address: string): void {
  const name = nameOf(String(host))
  const port = `host${String(host)}`
  addNamespace(name)
  ip('link', 'add', port, 'netns', router, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
  attach(router, { port, gateway, address })
  ip('-n', name, 'addr', 'add', `${address}/32`, 'dev', 'eth0')
  ip('-n', name, 'link', 'set', 'eth0', 'up')
  ip('-n', name, 'route', 'add', gateway, 'dev', 'eth0')
  ip('-n', name, 'route', 'add', 'default', 'via', gateway)
}

/** Both ends of a host's link: the namespace, and its name there. */
function linkOf({ router }: Plan, host: number): [string, string][] {
  return [
    [router, `host${String(host)}`],
    [nameOf(String(host)), 'eth0'],
  ]
}

function addOutside({ net, gateway, outside, router }: Plan): void {
  ip('link', 'add', 'outside', 'netns', router, 'type', 'veth', 'peer', 'name', LINK)
  attach(router, { port: 'outside', gateway, address: outside })
  ip('addr', 'add', `${outside}/32`, 'dev', LINK)
  ip('link', 'set', LINK, 'up')
  ip('route', 'add', gateway, 'dev', LINK)
  ip('route', 'add', `${net}.0/24`, 'via', gateway)
}

/** The router's end of a link, and what is reached through it. */
function attach(
  router: string,
  { port, gateway, address }: { port: string; gateway: string; address: string },
): void {
  ip('-n', router, 'addr', 'add', `${gateway}/32`, 'dev', port)
  ip('-n', router, 'link', 'set', port, 'up')
  ip('-n', router, 'route', 'add', `${address}/32`, 'dev', port)
}

/** NS2. Rules of the router. */
class Drops {
  readonly #router: string
  readonly #rules = new Map<string, readonly string[]>()

  constructor(router: string) {
    this.#router = router
  }

  add(from: string, to: string): void {
    const rule = ['from', from, 'to', to, 'blackhole']
    if (this.#rules.has(rule.join(' '))) return
    this.#rules.set(rule.join(' '), rule)
    ip('-n', this.#router, 'rule', 'add', ...rule)
  }

  clear(): void {
    for (const rule of this.#rules.values()) ip('-n', this.#router, 'rule', 'del', ...rule)
    this.#rules.clear()
  }
}

/** NS1. */
function nameOf(what: string): string {
  return [PREFIX, String(process.pid), startTimeOf(process.pid), what].join('-')
}

/** NS1. */
function sweep(): void {
  for (const line of ip('netns', 'list').split('\n')) {
    const [name = ''] = line.split(' ')
    const [, pid, startTime] = /^virga-test-(\d+)-(\d+)-/.exec(name) ?? []
    if (pid === undefined || startTime === undefined) continue
    if (!isAlive({ pid: Number(pid), startTime })) removeNamespace(name)
  }
}

/** With the processes in it; it would stay as long as they do. */
function removeNamespace(name: string): void {
  for (const pid of ip('netns', 'pids', name).split('\n').filter(Boolean).map(Number)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  ip('netns', 'del', name)
}

function inNamespace(name: string, ...command: string[]): void {
  run('nsenter', `--net=/run/netns/${name}`, '--', ...command)
}

function ip(...args: string[]): string {
  return run('ip', ...args)
}

function run(file: string, ...args: string[]): string {
  // Where Debian keeps what only root uses: tc, and ip on some.
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` }
  return execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], env })
}
