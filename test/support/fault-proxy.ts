// A proxy between the AWS SDK and an emulator that makes the faults of a network and of a service,
// by rule and seed. Every answer it passes on has the checksum that DynamoDB gives and emulators
// leave out.
//   refuse              the connection is closed before anything is read
//   delay               passed on late
//   error-before        500, nothing done
//   execute-then-error  done, then 500
//   in-flight-error     500 at once, done a little later: the retry comes while the first runs
//   throttle            refused as above the limits
//   conflict            a transaction, or a PUT of an object, is refused because of another one
//                       that is under way; else as throttle
//   partial             half of a batch is done, the rest given back; else as throttle
//   truncate            done, the answer is cut
//   bitflip             done, one bit of the answer is another
//   duplicate           done twice, the second answer is given
//   stale-read          a read that allows it gets the answer from before; others pass
//   blackhole           nothing is done and nothing answered
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { seeded } from './seeded.ts'

export const FAULTS = [
  'refuse',
  'delay',
  'error-before',
  'execute-then-error',
  'in-flight-error',
  'throttle',
  'conflict',
  'partial',
  'truncate',
  'bitflip',
  'duplicate',
  'stale-read',
  'blackhole',
] as const
export type Fault = (typeof FAULTS)[number]

export interface FaultRule {
  readonly fault: Fault
  /** `PutItem`, `TransactWriteItems` …; for S3 COMPLETE, else the HTTP method. Default: all. */
  readonly operation?: string
  /** The calls it hits: the nth of its operation, each nth, or by chance. Default: all. */
  readonly when?:
    | { readonly nth: number }
    | { readonly every: number }
    | { readonly chance: number }
}

interface Answer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: Buffer
}

interface Call {
  readonly operation: string
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: Buffer
}

export interface FaultProxy {
  readonly endpoint: string
  /** Calls that arrived, by operation. */
  readonly calls: ReadonlyMap<string, number>
  /** Sets the rules from now on, and counts the calls anew. */
  set(rules: readonly FaultRule[]): void
  /** Ends the connections that carry no call now: who calls next must connect anew. */
  hangUp(): void
  stop(): Promise<void>
}

/** What makes an object of the parts that were uploaded. */
export const COMPLETE = 'CompleteMultipartUpload'

const DELAY_MS = 60
const LATER_MS = 20

/** @param host  at which it listens. */
export async function startFaultProxy(
  upstream: string,
  seed: number,
  host = '127.0.0.1',
): Promise<FaultProxy> {
  const random = seeded(seed)
  const calls = new Map<string, number>()
  const earlier = new Map<string, Answer>()
  let rules: readonly FaultRule[] = []
  const running = new Set<Promise<unknown>>()

  const server = createServer((request, response) => {
    const work = answer(request, response).catch(() => response.destroy())
    running.add(work)
    void work.finally(() => running.delete(work))
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const operation = operationOf(request)
    const count = (calls.get(operation) ?? 0) + 1
    calls.set(operation, count)
    const fault = rules.find((rule) => hits(rule, operation, count, random))?.fault
    if (fault === 'refuse') {
      request.socket.destroy()
      return
    }
    const call = await callOf(request, operation)
    if (fault === 'blackhole') return
    const pass = (): Promise<Answer> => passOn(upstream, call)
    if (fault === 'in-flight-error')
      void wait(LATER_MS)
        .then(pass)
        .catch(() => undefined)
    const given = await faulty(fault, call, { pass, upstream, earlier })
    if (fault === 'truncate') {
      response.writeHead(given.status, given.headers)
      response.write(given.body.subarray(0, given.body.length >> 1))
      await wait(1) // so that the head and half of the body leave before the end
      response.destroy()
      return
    }
    response.writeHead(given.status, given.headers).end(given.body)
  }

  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://${host}:${String(port)}`,
    calls,
    set(next) {
      rules = next
      calls.clear()
    },
    hangUp() {
      server.closeIdleConnections()
    },
    async stop() {
      await Promise.allSettled(running)
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

interface World {
  readonly pass: () => Promise<Answer>
  readonly upstream: string
  /** What was answered to a read the first time. */
  readonly earlier: Map<string, Answer>
}

async function faulty(fault: Fault | undefined, call: Call, world: World): Promise<Answer> {
  switch (fault) {
    case 'delay':
      await wait(DELAY_MS)
      return await world.pass()
    case 'error-before':
    case 'in-flight-error':
      return serverError(call)
    case 'execute-then-error':
      await world.pass()
      return serverError(call)
    case 'throttle':
      return throttled(call)
    case 'conflict':
      return conflict(call)
    case 'partial':
      return call.operation === 'BatchWriteItem'
        ? await partial(call, world.upstream)
        : throttled(call)
    case 'duplicate':
      await world.pass()
      return await world.pass()
    case 'stale-read':
      return await stale(call, world)
    case 'bitflip': {
      const answer = await world.pass()
      const at = answer.body.length >> 1
      if (answer.body.length > 0) answer.body[at] = (answer.body[at] ?? 0) ^ 1
      return answer
    }
    default:
      return await world.pass()
  }
}

async function stale(call: Call, { pass, earlier }: World): Promise<Answer> {
  const answer = await pass()
  if (call.operation !== 'GetItem' && call.operation !== 'Query') return answer
  const request = JSON.parse(call.body.toString()) as { ConsistentRead?: boolean }
  if (request.ConsistentRead === true) return answer
  const key = call.body.toString()
  const before = earlier.get(key)
  if (before === undefined) earlier.set(key, answer)
  return before ?? answer
}

interface Batch {
  RequestItems: Record<string, object[]>
}

async function partial(call: Call, upstream: string): Promise<Answer> {
  const batch = JSON.parse(call.body.toString()) as Batch
  const half = (keep: boolean): Batch['RequestItems'] =>
    Object.fromEntries(
      Object.entries(batch.RequestItems)
        .map(([table, items]): [string, object[]] => {
          const middle = items.length >> 1
          return [table, keep ? items.slice(0, middle) : items.slice(middle)]
        })
        .filter(([, items]) => items.length > 0),
    )
  const done = half(true)
  if (Object.keys(done).length > 0) {
    const body = Buffer.from(JSON.stringify({ ...batch, RequestItems: done }))
    const answer = await passOn(upstream, { ...call, body })
    if (answer.status !== 200) return answer
  }
  return json(200, { UnprocessedItems: half(false) })
}

const isDynamo = (call: Call): boolean => call.headers['x-amz-target'] !== undefined

function serverError(call: Call): Answer {
  if (!isDynamo(call)) return xml(500, 'InternalError')
  return json(500, { __type: 'com.amazonaws.dynamodb.v20120810#InternalServerError' })
}

function throttled(call: Call): Answer {
  if (!isDynamo(call)) return xml(503, 'SlowDown')
  const name = 'ProvisionedThroughputExceededException'
  return json(400, { __type: `com.amazonaws.dynamodb.v20120810#${name}`, message: 'above' })
}

function conflict(call: Call): Answer {
  if (call.operation === 'PUT') return xml(409, 'OperationAborted')
  if (call.operation !== 'TransactWriteItems') return throttled(call)
  const { TransactItems } = JSON.parse(call.body.toString()) as { TransactItems: unknown[] }
  return json(400, {
    __type: 'com.amazonaws.dynamodb.v20120810#TransactionCanceledException',
    message: 'Transaction cancelled',
    CancellationReasons: TransactItems.map((_, index) => ({
      Code: index === 0 ? 'TransactionConflict' : 'None',
    })),
  })
}

function json(status: number, value: object): Answer {
  return checksummed({
    status,
    headers: { 'content-type': 'application/x-amz-json-1.0' },
    body: Buffer.from(JSON.stringify(value)),
  })
}

function xml(status: number, code: string): Answer {
  const body = Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`)
  const headers = { 'content-type': 'application/xml', 'content-length': String(body.length) }
  return { status, headers, body }
}

function checksummed(answer: Answer): Answer {
  const { body, headers } = answer
  const own = { 'content-length': String(body.length), 'x-amz-crc32': String(crc32(body)) }
  return { ...answer, headers: { ...headers, ...own } }
}

async function passOn(upstream: string, call: Call): Promise<Answer> {
  const { connection: _, host: __, 'content-length': ___, ...headers } = call.headers
  delete headers['transfer-encoding']
  delete headers['expect']
  const bodiless = call.method === 'GET' || call.method === 'HEAD'
  const response = await fetch(upstream + call.path, {
    method: call.method,
    headers,
    ...(bodiless ? {} : { body: Uint8Array.from(call.body) }),
  })
  const body = Buffer.from(await response.arrayBuffer())
  const kept = Object.fromEntries(
    [...response.headers].filter(
      ([name]) => !['connection', 'transfer-encoding', 'content-encoding'].includes(name),
    ),
  )
  const answer = { status: response.status, headers: kept, body }
  if (isDynamo(call)) return checksummed(answer)
  return { ...answer, headers: { ...kept, 'content-length': String(body.length) } }
}

function operationOf(request: IncomingMessage): string {
  const target = request.headers['x-amz-target']
  if (typeof target === 'string') return target.split('.')[1] ?? ''
  const { method = '', url = '' } = request
  return method === 'POST' && /[?&]uploadId=/.test(url) ? COMPLETE : method
}

async function callOf(request: IncomingMessage, operation: string): Promise<Call> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  )
  const { method = 'GET', url = '/' } = request
  return { operation, method, path: url, headers, body: Buffer.concat(chunks) }
}

function hits(rule: FaultRule, operation: string, count: number, random: () => number): boolean {
  const { when } = rule
  if (rule.operation !== undefined && rule.operation !== operation) return false
  if (when === undefined) return true
  if ('nth' in when) return count === when.nth
  if ('every' in when) return count % when.every === 0
  return random() < when.chance
}
