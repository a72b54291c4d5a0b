// How long what was sent to another machine may stay unacknowledged before its connection closes.
// By itself Linux repeats it for a quarter of an hour, and whoever waits for an answer waits as
// long; keep-alive probes do not help, as they are only sent while everything is acknowledged.
// The kernel acknowledges for its process: a peer that is busy, or stopped, is none that is gone.
// Source: tcp(7), TCP_USER_TIMEOUT; RFC 5482.
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type * as Koffi from 'koffi'

const IPPROTO_TCP = 6
const TCP_USER_TIMEOUT = 18
const SOCKLEN_BYTES = 4

/** Descriptor, level, option, value, and its size. */
type SetOption = (...call: [number, number, number, Buffer, number]) => number

/** Undefined until it was asked for; null where it cannot be had. */
let setOption: SetOption | null | undefined

/**
 * Where the system has no such limit, or koffi no build for it, its own limit stays.
 * @param socket  TLS or not.
 */
export function limitUnacknowledged(socket: Socket, limitMs: number): void {
  if (socket.connecting) {
    socket.once('connect', () => {
      limitUnacknowledged(socket, limitMs)
    })
    return
  }
  const fd = (socket as { _handle?: { readonly fd?: number } | null })._handle?.fd ?? -1
  if (fd < 0) return
  setOption ??= load()
  const value = Buffer.alloc(SOCKLEN_BYTES)
  value.writeUInt32LE(limitMs)
  setOption?.(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, value, SOCKLEN_BYTES)
}

function load(): SetOption | null {
  if (process.platform !== 'linux') return null
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof Koffi
    return koffi.load(null).func('int setsockopt(int, int, int, void *, uint32_t)') as SetOption
  } catch {
    return null // as said above; the object store says it louder when it needs koffi
  }
}
