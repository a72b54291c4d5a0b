// The other process of the raw echo: answers every message on the Unix socket of argv[2], until its
// last client has hung up. With ECHO_POLLING=1 it polls for a moment after each message instead of
// sleeping.
import { createServer } from 'node:net'
import { onMessages, pollWhile, sendMessage } from './frames.ts'

const POLL_MS = 1

const polling = process.env['ECHO_POLLING'] === '1'
let clientCount = 0
const server = createServer((socket) => {
  clientCount += 1
  let pollUntilMs = 0
  const poll = pollWhile(() => performance.now() < pollUntilMs)
  onMessages(socket, (message) => {
    const [seq] = message as [number]
    sendMessage(socket, [seq, 'ok'])
    if (!polling) return
    pollUntilMs = performance.now() + POLL_MS
    poll()
  })
  socket.on('error', () => undefined) // it hung up while an answer was under way: 'close' follows
  socket.on('close', () => {
    clientCount -= 1
    if (clientCount === 0) server.close()
  })
})
server.listen(process.argv[2], () => process.stdout.write('listening\n'))
