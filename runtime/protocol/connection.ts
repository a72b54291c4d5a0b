// The port between processes: whole frames, in order, both ways, until closed.
// Invariants every adapter keeps (test/contract/protocol):
//   N1. Frames arrive whole, once, in the order sent.
//   N2. onClose fires exactly once per side; no frame arrives after it; send is then ignored.
//   N3. A frame that breaks the framing closes this connection only.

/** Bytes left free at the start of every frame for length and checksum. */
export const FRAME_HEADER_BYTES = 8

export interface ConnectionEvents {
  /** `body` is the frame without its header; valid until the handler returns unless copied. */
  onFrame(body: Buffer): void
  /** What `send` accepted has been taken, after bufferedBytes had grown. */
  onDrain?(): void
  /** `error` is set when the connection broke, absent when either side closed it. */
  onClose(error?: Error): void
}

export interface Connection {
  /** Takes over the buffer; its first FRAME_HEADER_BYTES are overwritten. */
  send(frame: Buffer): void
  /** The same of a frame whose end lies elsewhere, which is not copied: `rest` never changes any
   *  more. Absent: it has to be copied behind the frame. */
  sendWith?(frame: Buffer, rest: Buffer): void
  /** Bytes accepted by send and not yet taken by the peer's machine. */
  readonly bufferedBytes: number
  /** Must be called once, before the next turn. */
  start(events: ConnectionEvents): void
  close(): void
  /** Whether an open connection keeps the process alive. Off at first. */
  ref(): void
  unref(): void
}

export interface Listener {
  readonly address: string
  close(): Promise<void>
}

export interface Transport {
  listen(address: string, onConnection: (connection: Connection) => void): Promise<Listener>
  connect(address: string): Promise<Connection>
}
