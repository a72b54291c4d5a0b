// Connections over Unix sockets: between the processes of one machine.
import { createConnection, createServer } from 'node:net'
import type { Connection, Transport } from './connection.ts'
import { listening, SocketConnection } from './connection-socket-system.ts'

/** @param refused  told why an incoming connection came to nothing. */
export function udsTransport(refused: (error: Error) => void): Transport {
  return {
    async listen(path, onConnection) {
      const server = createServer((socket) => {
        onConnection(new SocketConnection(socket))
      })
      const close = await listening({ server, at: { path }, refused })
      return { address: path, close }
    },
    connect: dialUds,
  }
}

export function dialUds(path: string): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path)
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(new SocketConnection(socket))
    })
  })
}
