// Errors of frames and of decoding: what the other side sent cannot be accepted, and sending the
// same bytes again cannot help. They end one connection, never the process.
// Source: the bad-input catalogue, rows B01 to B12.
import { UsageError, define } from './virga-error.ts'

type DecodeCode = 'ERR_DECODE' | 'ERR_DECODE_LIMIT' | 'ERR_DECOMPRESS_LIMIT'
type FrameCode =
  | 'ERR_PEER_REFUSED'
  | 'ERR_FRAME_CORRUPT'
  | 'ERR_FRAME_TOO_LARGE'
  | 'ERR_UNSUPPORTED_MESSAGE'

/**
 * The other side does not speak Virga: wrong magic, or no version in common. Close the
 * connection.
 */
export class ProtocolError extends UsageError {
  declare readonly code: 'ERR_PROTOCOL' | FrameCode | DecodeCode
  static {
    define(this, 'ProtocolError', 'ERR_PROTOCOL')
  }
}

/**
 * One node refuses another: of another cluster, epoch or version, or under a certificate that does
 * not say what it says. `data.reason`, and both sides: `data.by`, `data.peer`.
 */
export class PeerRefusedError extends ProtocolError {
  declare readonly code: 'ERR_PEER_REFUSED'
  static {
    define(this, 'PeerRefusedError', 'ERR_PEER_REFUSED')
  }
}

/** The checksum of a frame does not match its bytes. Count it and close the connection. */
export class FrameCorruptError extends ProtocolError {
  declare readonly code: 'ERR_FRAME_CORRUPT'
  static {
    define(this, 'FrameCorruptError', 'ERR_FRAME_CORRUPT')
  }
}

/**
 * A frame says it is longer than the limit. Thrown before anything is allocated.
 * `data.sizeBytes`, `data.maxBytes`.
 */
export class FrameTooLargeError extends ProtocolError {
  declare readonly code: 'ERR_FRAME_TOO_LARGE'
  static {
    define(this, 'FrameTooLargeError', 'ERR_FRAME_TOO_LARGE')
  }
}

/**
 * The bytes are no value of the codec, or no message of the schema: `data.offset` where known. Or a
 * row of the GCS is none of its kind: `data.table`, `data.pk`, `data.sk`, `data.field`.
 */
export class DecodeError extends ProtocolError {
  declare readonly code: DecodeCode
  static {
    define(this, 'DecodeError', 'ERR_DECODE')
  }
}

/** A length or depth in the bytes is beyond its cap. `data.limit`, `data.got`. */
export class DecodeLimitError extends DecodeError {
  declare readonly code: 'ERR_DECODE_LIMIT'
  static {
    define(this, 'DecodeLimitError', 'ERR_DECODE_LIMIT')
  }
}

/** Compressed bytes grow beyond the cap on size or ratio. */
export class DecompressLimitError extends DecodeError {
  declare readonly code: 'ERR_DECOMPRESS_LIMIT'
  static {
    define(this, 'DecompressLimitError', 'ERR_DECOMPRESS_LIMIT')
  }
}

/** A message of an unknown type or version. `data.type`. */
export class UnsupportedMessageError extends ProtocolError {
  declare readonly code: 'ERR_UNSUPPORTED_MESSAGE'
  static {
    define(this, 'UnsupportedMessageError', 'ERR_UNSUPPORTED_MESSAGE')
  }
}
