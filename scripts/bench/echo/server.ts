// The other process of the raw echo: answers every message on the Unix socket of argv[2].
// With ECHO_POLLING=1 it polls for a moment after each message instead of sleeping.
import { createServer } from 'node:net'
import { onMessages, pollWhile, sendMessage } from './frames.ts'

const POLL_MS = 1

const polling = process.env['ECHO_POLLING'] === '1'
const server = createServer((socket) => {
  let pollUntilMs = 0
  const poll = pollWhile(() => performance.now() < pollUntilMs)
  onMessages(socket, (message) => {
    const [seq] = message as [number]
    sendMessage(socket, [seq, 'ok'])
    if (!polling) return
    pollUntilMs = performance.now() + POLL_MS
    poll()
  })
  socket.on('close', () => server.close())
  socket.on('error', () => server.close())
})
server.listen(process.argv[2], () => process.stdout.write('listening\n'))
