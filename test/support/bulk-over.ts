// Bytes in bulk over any connection of whole frames: the twin of TCP's in tests and simulation.
import { VirgaError } from '../../runtime/common/errors.ts'
import {
  BulkReader,
  bulkHeadOf,
  type BulkConnection,
  type BulkEvents,
  type BulkHead,
} from '../../runtime/protocol/bulk.ts'
import { FRAME_HEADER_BYTES } from '../../runtime/protocol/connection.ts'
import type { PeerConnection } from '../../runtime/protocol/peer-transport.ts'

/** Where a network in memory has the listener of that lane. */
export const bulkAddressOf = (address: string): string => `${address}/bulk`

export function bulkOver(connection: PeerConnection): BulkConnection {
  let isClosed = false
  return {
    peer: connection.peer,
    send: async (head: BulkHead, body: Uint8Array) => {
      if (isClosed) throw new VirgaError('the connection has closed')
      const free = Buffer.alloc(FRAME_HEADER_BYTES)
      connection.send(Buffer.concat([free, bulkHeadOf(head, body), body]))
    },
    start: (events: BulkEvents) => {
      const reader = new BulkReader(events)
      let cause: Error | undefined
      connection.start({
        onFrame: (frame) => {
          try {
            reader.take(frame)
          } catch (error) {
            cause = error as Error
            connection.close()
          }
        },
        onClose: (error) => {
          isClosed = true
          events.closed(cause ?? error)
        },
      })
    },
    close: () => {
      connection.close()
    },
  }
}
