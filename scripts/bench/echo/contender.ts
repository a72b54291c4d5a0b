// The column `echo`: a message to another process over a Unix socket, and one back. One MessagePack
// frame per message, both ways, batched by nothing but the event loop. ECHO_POLLING=1: both ends
// poll, which is the column `echoPolling`.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serveRow, type Workload } from '../contender.ts'
import { BATCH } from '../sizes.ts'
import { onMessages, pollWhile, sendMessage } from './frames.ts'

async function echo(batch: number): Promise<Workload> {
  const folder = mkdtempSync(join(tmpdir(), 'virga-echo-'))
  const path = join(folder, 'echo.sock')
  const server = spawn(process.execPath, [join(import.meta.dirname, 'server.ts'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(server.stdout, 'data')
  const socket = connect(path)
  await once(socket, 'connect')

  const waiting = new Map<number, () => void>()
  const poll = pollWhile(() => waiting.size > 0)
  const polling = process.env['ECHO_POLLING'] === '1'
  let nextSeq = 0
  onMessages(socket, (message) => {
    const [seq] = message as [number]
    waiting.get(seq)?.()
    waiting.delete(seq)
  })
  const call = (): Promise<void> => {
    const seq = nextSeq++
    sendMessage(socket, [seq, 'small_value', []])
    if (polling) poll()
    return new Promise((resolve) => {
      waiting.set(seq, resolve)
    })
  }
  return {
    run: batch === 1 ? call : () => Promise.all(Array.from({ length: batch }, call)),
    unitsPerRun: batch,
    end: async () => {
      socket.end()
      await once(server, 'exit')
      rmSync(folder, { recursive: true })
    },
  }
}

const alone = (): Promise<Workload> => echo(1)
const batched = (): Promise<Workload> => echo(BATCH)

await serveRow({
  'single client tasks sync': alone,
  'single client tasks async': batched,
  '1:1 actor calls sync': alone,
  '1:1 actor calls async': batched,
})
