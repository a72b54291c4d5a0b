// Connections over Unix sockets: between the processes of one machine.
import { createConnection, createServer, type Socket } from 'node:net'
import type { Connection, Listener, Transport } from './connection.ts'
import { SocketConnection } from './connection-socket-system.ts'

export const udsTransport: Transport = {
  listen(path: string, onConnection: (connection: Connection) => void): Promise<Listener> {
    return new Promise((resolve, reject) => {
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
        onConnection(new SocketConnection(socket))
      })
      server.unref()
      server.once('error', reject)
      server.listen(path, () => {
        resolve({
          address: path,
          close: () =>
            new Promise((closed) => {
              server.close(() => {
                closed()
              })
              for (const socket of sockets) socket.destroy()
            }),
        })
      })
    })
  },

  connect(path: string): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(path)
      socket.once('error', reject)
      socket.once('connect', () => {
        socket.off('error', reject)
        resolve(new SocketConnection(socket))
      })
    })
  },
}
