// What a raylet tells who asks over its socket, as the command line asks it.
import { systemClock } from '../../runtime/common/clock-system.ts'
import { newWorkerId } from '../../runtime/common/ids.ts'
import { systemRandom } from '../../runtime/common/random-system.ts'
import { RayletLink } from '../../runtime/core-worker/raylet-link.ts'
import { dialUds } from '../../runtime/protocol/connection-uds.ts'
import { PROTOCOL_VERSION, type StateRow } from '../../runtime/protocol/messages.ts'
import { ValueCodec } from '../../runtime/protocol/value-codec.ts'

export interface RayletClient {
  /** What `virga list KIND` shows, KIND as it is called on the wire. */
  rows(kind: string): Promise<readonly StateRow[]>
  close(): void
}

/** @param address  path of its socket. */
export async function dialRaylet(address: string): Promise<RayletClient> {
  const connection = await dialUds(address)
  const link = new RayletLink(connection, { clock: systemClock, codec: new ValueCodec() })
  const ignore = (): void => undefined
  link.start(new Proxy({} as Parameters<typeof link.start>[0], { get: () => ignore }))
  await link.request('hello', {
    magic: 'virga',
    protocolMin: PROTOCOL_VERSION,
    protocolMax: PROTOCOL_VERSION,
    role: 'cli',
    workerId: newWorkerId(systemRandom),
    pid: process.pid,
    address: '',
  })
  return {
    rows: async (kind) => (await link.request('state', { kind })).rows,
    close: () => {
      link.close()
    },
  }
}
