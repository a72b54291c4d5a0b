// Unix sockets between drivers and workers, with gated busy polling (polling.ts). VIRGA_POLLING=off
// leaves it out, to measure with and without.
import { availableParallelism } from 'node:os'
import { systemClock } from '../common/clock-system.ts'
import { findCredentials } from '../common/session-file.ts'
import type { Transport } from './connection.ts'
import { udsTransport } from './connection-uds.ts'
import { Polling, pollingTransport } from './polling.ts'
import { systemRunnableCount } from './runnable-system.ts'

const warn = (error: Error): void => {
  process.emitWarning(`a process of the cluster could not connect to this one: ${error.message}`)
}

/** Of a process whose session folder that is: over TCP too, where its cluster has other nodes. */
export async function transportFor(sessionDir: string): Promise<Transport> {
  const credentials = findCredentials(sessionDir)
  if (credentials === undefined) return workerTransport()
  const { processTransport } = await import('./process-transport-tcp.ts')
  return processTransport(workerTransport(), credentials, warn)
}

export function workerTransport(): Transport {
  const transport = udsTransport(warn)
  if (process.env['VIRGA_POLLING'] === 'off') return transport
  const polling = new Polling({
    clock: systemClock,
    runnableCount: systemRunnableCount,
    coreCount: availableParallelism(),
  })
  return pollingTransport(transport, polling)
}
