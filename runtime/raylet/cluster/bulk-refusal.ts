// Why a node does not give what it is asked for, as bytes of a bulk frame: whether its copy is
// damaged, and what happened, in words (pure).
import { ObjectCorruptedError, VirgaError } from '../../common/errors.ts'

const WORDS_MAX = 1_000
const DAMAGED = '!'

export const encodeRefusal = (error: VirgaError): Buffer =>
  Buffer.from(
    (error instanceof ObjectCorruptedError ? DAMAGED : ' ') + error.message.slice(0, WORDS_MAX),
  )

export function decodeRefusal(body: Uint8Array): VirgaError {
  const text = Buffer.from(body).toString('utf8')
  const words = text.slice(1)
  return text.startsWith(DAMAGED) ? new ObjectCorruptedError(words) : new VirgaError(words)
}
