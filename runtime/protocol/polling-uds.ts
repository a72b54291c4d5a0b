// Unix sockets between drivers and workers, with gated busy polling (polling.ts). VIRGA_POLLING=off
// leaves it out, to measure with and without.
import { availableParallelism } from 'node:os'
import { systemClock } from '../common/clock-system.ts'
import type { Transport } from './connection.ts'
import { udsTransport } from './connection-uds.ts'
import { Polling, pollingTransport } from './polling.ts'
import { systemRunnableCount } from './runnable-system.ts'

export function workerTransport(): Transport {
  const transport = udsTransport((error) => {
    process.emitWarning(`a process of the cluster could not connect to this one: ${error.message}`)
  })
  if (process.env['VIRGA_POLLING'] === 'off') return transport
  const polling = new Polling({
    clock: systemClock,
    runnableCount: systemRunnableCount,
    coreCount: availableParallelism(),
  })
  return pollingTransport(transport, polling)
}
