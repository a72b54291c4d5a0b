// The raw echo's wire: four bytes of length, then one MessagePack message, one write per message.
// This is what a task costs when nothing but its message is left of it: the limit to be reached.
import { Packr, Unpackr } from 'msgpackr'
import type { Socket } from 'node:net'

const HEAD_BYTES = 4
const packr = new Packr({ useRecords: false })
const unpackr = new Unpackr({ useRecords: false })

export function sendMessage(socket: Socket, message: unknown): void {
  const body = packr.pack(message)
  const frame = Buffer.allocUnsafe(HEAD_BYTES + body.length)
  frame.writeUInt32LE(body.length, 0)
  body.copy(frame, HEAD_BYTES)
  socket.write(frame)
}

export function onMessages(socket: Socket, receive: (message: unknown) => void): void {
  let kept: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    const bytes = kept.length === 0 ? chunk : Buffer.concat([kept, chunk])
    let at = 0
    while (bytes.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + bytes.readUInt32LE(at)
      if (end > bytes.length) break
      receive(unpackr.unpack(bytes.subarray(at + HEAD_BYTES, end)))
      at = end
    }
    kept = bytes.subarray(at)
  })
}

/** @returns a call: sends one message and resolves when its answer is there. */
export function openCaller(socket: Socket): () => Promise<void> {
  const waiting = new Map<number, () => void>()
  const poll = pollWhile(() => waiting.size > 0)
  const polling = process.env['ECHO_POLLING'] === '1'
  let nextSeq = 0
  onMessages(socket, (message) => {
    const [seq] = message as [number]
    waiting.get(seq)?.()
    waiting.delete(seq)
  })
  return () => {
    const seq = nextSeq++
    sendMessage(socket, [seq, 'small_value', []])
    if (polling) poll()
    return new Promise((resolve) => {
      waiting.set(seq, resolve)
    })
  }
}

/**
 * Keeps the event loop turning without sleeping while `busy` says so: a message is then seen by
 * the next look at the socket and no wake-up by the kernel is paid for.
 */
export function pollWhile(busy: () => boolean): () => void {
  let polling = false
  const turn = (): void => {
    if (busy()) setImmediate(turn)
    else polling = false
  }
  return () => {
    if (polling) return
    polling = true
    setImmediate(turn)
  }
}
