// Answers of AWS are read whole and compared with their length and checksum before anything is
// decoded. A connection that was cut, or a flipped byte, is then an attempt that failed, never a
// wrong row. The SDK does not check this for DynamoDB.
// Source: DynamoDB x-amz-crc32; faults.md F18, F41.
import { crc32 } from 'node:zlib'
import { BrokenAnswerError } from './aws-failure.ts'

interface HttpResponse {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  body: unknown
}

/** The part of a client of the SDK that is needed here. */
export interface MiddlewareClient {
  readonly middlewareStack: {
    add(middleware: never, options: { step: 'deserialize'; priority: 'low'; name: string }): void
  }
}

type Next = (args: unknown) => Promise<{ response: unknown }>

/** Checks every answer of `client`, next to the wire. */
export function checkAnswers(client: MiddlewareClient): void {
  const middleware = (next: Next) => async (args: unknown) => {
    const result = await next(args)
    const response = result.response as HttpResponse
    response.body = checked(response, await collect(response.body))
    return result
  }
  client.middlewareStack.add(middleware as never, {
    step: 'deserialize',
    priority: 'low',
    name: 'virgaCheckAnswers',
  })
}

async function collect(body: unknown): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body as AsyncIterable<Uint8Array>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function checked({ headers }: HttpResponse, bytes: Buffer): Buffer {
  const length = headers['content-length']
  if (length !== undefined && Number(length) !== bytes.byteLength) {
    throw new BrokenAnswerError(`an answer of ${length} bytes had ${String(bytes.byteLength)}`)
  }
  const checksum = headers['x-amz-crc32']
  if (checksum !== undefined && Number(checksum) !== crc32(bytes)) {
    throw new BrokenAnswerError('an answer had another checksum than it said')
  }
  return bytes
}
