// Strips TypeScript for the workers of a node: each file once, whoever asks.
//   new StripService({ read, strip, isModule, hash }).answer(request body) -> whole answer
// Invariants:
//   SS1. The cache is keyed by the hash of the content, so an edited file is stripped anew, and the
//       answer's hash is that of the very bytes that were stripped.
//   SS2. The cache holds at most cacheBytesMax of sources; the least recently asked for leaves.
//   SS3. A file that cannot be stripped is an answer, never a failure of the raylet.
import type { Hash } from '../common/random.ts'
import {
  SOURCE_BYTES_MAX,
  decodeStripRequest,
  encodeStripAnswer,
} from '../protocol/strip-message.ts'
import type { ModuleFormat, StripAnswer, StripRequest } from '../protocol/strip-message.ts'

const CACHE_BYTES_MAX = 64 * 1024 * 1024

export interface StripPorts {
  /** The bytes of a file URL. */
  readonly read: (url: string) => Uint8Array
  /** TypeScript to JavaScript, every position kept; throws a SyntaxError. */
  readonly strip: (text: string) => string
  /** Whether JavaScript can only be an ES module. */
  readonly isModule: (text: string) => boolean
  readonly hash: Hash
}

interface Stripped {
  readonly text: string
  readonly sizeBytes: number
  format: ModuleFormat | undefined
}

export class StripService {
  readonly #ports: StripPorts
  /** SS2 bounds it. */
  readonly #cache = new Map<string, Stripped>()
  readonly #cacheBytesMax: number
  #cachedBytes = 0

  constructor(ports: StripPorts, options: { readonly cacheBytesMax?: number } = {}) {
    this.#ports = ports
    this.#cacheBytesMax = options.cacheBytesMax ?? CACHE_BYTES_MAX
  }

  /** @param body  a request without its length. @returns the answer, its length first. */
  answer(body: Buffer): Buffer {
    const request = decodeStripRequest(body)
    try {
      return encodeStripAnswer(this.#answer(request))
    } catch (error) {
      return encodeStripAnswer(failure(request.url, error))
    }
  }

  /** Strip ahead of the first request, while the worker that will ask is still starting. */
  prepare(url: string): void {
    this.answer(Buffer.concat([Buffer.of(0), Buffer.from(url)]))
  }

  #answer(request: StripRequest): StripAnswer {
    const bytes = this.#ports.read(request.url)
    if (bytes.length > SOURCE_BYTES_MAX) throw new RangeError(`it has ${bytes.length} bytes`)
    const sha256 = this.#ports.hash.sha256(bytes)
    const stripped = this.#stripped(Buffer.from(sha256).toString('latin1'), bytes)
    if (request.wantsFormat) {
      stripped.format ??= this.#ports.isModule(stripped.text) ? 'module' : 'commonjs'
    }
    return { kind: 'stripped', format: stripped.format ?? 'module', sha256, text: stripped.text }
  }

  #stripped(key: string, bytes: Uint8Array): Stripped {
    const known = this.#cache.get(key)
    if (known !== undefined) {
      this.#cache.delete(key)
      this.#cache.set(key, known)
      return known
    }
    const text = this.#ports.strip(Buffer.from(bytes).toString('utf8'))
    const stripped: Stripped = { text, sizeBytes: bytes.length, format: undefined }
    this.#cache.set(key, stripped)
    this.#cachedBytes += stripped.sizeBytes
    this.#evict()
    return stripped
  }

  /** SS2. */
  #evict(): void {
    for (const [key, { sizeBytes }] of this.#cache) {
      if (this.#cachedBytes <= this.#cacheBytesMax) return
      this.#cache.delete(key)
      this.#cachedBytes -= sizeBytes
    }
  }
}

function failure(url: string, error: unknown): StripAnswer {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
  const text = error instanceof Error ? error.message : String(error)
  return {
    kind: 'failed',
    code,
    message: `${url}: ${text}`,
    isSyntaxError: error instanceof SyntaxError,
  }
}
