// Remote functions that strain their worker, or tell how it fares: memory, CPU, output, death.
import { randomUUID } from 'node:crypto'
import {
  get,
  put,
  remote,
  runtimeContext,
  type ActorHandle,
  type ObjectRef,
  type Queue,
} from 'virga'

/** Says two lines and fills that much memory; then leaves with that code, or waits to be ended. */
async function lastWords(bytes: number, code?: number): Promise<number> {
  console.error('the words before')
  console.error('the last words')
  const kept = Buffer.alloc(bytes, 1)
  if (code !== undefined) process.exit(code)
  await new Promise((resolve) => setTimeout(resolve, 60_000))
  return kept.length
}
export const diesSpeaking = remote(lastWords)
export const RemoteSpeaker = remote(
  class Speaker {
    die(bytes: number, code: number): Promise<number> {
      return lastWords(bytes, code)
    }
  },
)

/** Handles by itself what nobody catches; its worker ends with it. */
export const handlesItself = remote(
  async () => {
    const handled = Promise.withResolvers<string>()
    process.once('uncaughtException', ({ message }) => {
      handled.resolve(message)
    })
    setTimeout(() => {
      throw new Error('for the handler')
    }, 5)
    return handled.promise
  },
  { maxCalls: 1, maxRetries: 0 },
)

/** Which GPUs it was given, and which of them it sees. */
export const RemoteGpuUser = remote(
  class GpuUser {
    gpus(): { given: readonly number[]; seen: string | undefined } {
      return { given: runtimeContext().gpuIds, seen: process.env['CUDA_VISIBLE_DEVICES'] }
    }
  },
  { numGpus: 1 },
)

/** Writes its pid to a file of its attempt, then waits until the file itself is there. */
export const waitsForFile = remote(async (file: string) => {
  const { existsSync, writeFileSync } = await import('node:fs')
  const { attempt } = runtimeContext()
  writeFileSync(`${file}.${String(attempt)}`, String(process.pid))
  while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 5))
  return attempt
})

/** Tries to take the buffer of its argument away, and still reads it after that. */
export const transfers = remote((array: Float64Array): { refused: number; last: number } => {
  const { buffer } = array
  const tries = [
    () => structuredClone(array, { transfer: [buffer as ArrayBuffer] }),
    () => {
      new MessageChannel().port1.postMessage(array, [buffer as ArrayBuffer])
    },
    () => (buffer as ArrayBuffer).transfer(),
  ]
  let refused = 0
  for (const each of tries) {
    try {
      each()
    } catch {
      refused += 1
    }
  }
  return { refused, last: array.at(-1) ?? Number.NaN }
})

/** Reads the array again and again, for ever. */
export const readsOn = remote(
  async (box: { ref: ObjectRef<Float64Array> }, started: Queue<number>) => {
    for (let round = 0; ; round += 1) {
      const { get } = await import('virga')
      const array = await get(box.ref)
      if (array.some((x) => x !== array[0])) throw new Error('read something else')
      if (round === 2) await started.put(process.pid)
    }
  },
  { maxRetries: 0 },
)

export const prints = remote((ms: number) => {
  const end = Date.now() + ms
  while (Date.now() < end) console.log('x'.repeat(200))
})
/** Keeps its own CPU busy, and has programs do the same; they end with its worker. */
export const spinInPrograms = remote(async (count: number, ms: number) => {
  const { spawn } = await import('node:child_process')
  for (let i = 0; i < count; i += 1) spawn('sh', ['-c', 'while :; do :; done'])
  const end = Date.now() + ms
  while (Date.now() < end);
})

/** The heap of its worker after a collection, every `each`th time; 0 otherwise. */
export const heapOfWorker = remote(async (i: number, each: number) => {
  if (i % each !== 0) return 0
  const [{ setFlagsFromString }, { runInNewContext }] = await Promise.all([
    import('node:v8'),
    import('node:vm'),
  ])
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
})
/** Gives its input back; the first one long after all others. */
export const lateIfFirst = remote(
  async (i: number) => {
    if (i === 0) await new Promise((resolve) => setTimeout(resolve, 600_000))
    return i
  },
  { numCpus: 0.1 },
)

/** Takes each effect once, whatever how often it is told. */
class Ledger {
  readonly #keys = new Set<string>()
  #told = 0
  apply(key: string): void {
    this.#told += 1
    this.#keys.add(key)
  }
  counts(): { effects: number; told: number } {
    return { effects: this.#keys.size, told: this.#told }
  }
}
export const RemoteLedger = remote(Ledger)
type LedgerHandle = ActorHandle<{ apply: [fn: (key: string) => void, numReturns: 1] }>

export interface Stamped {
  readonly value: number
  /** No two runs of any task have the same. */
  readonly stamp: string
  /** Of the result that it was given. */
  readonly given: string
}

/** Adds one, and tells which run made this result, and which the one that it was made from. */
export const stampedStep = remote(
  async ({ value, stamp }: Stamped, ledger: LedgerHandle): Promise<Stamped> => {
    await ledger.apply.run(runtimeContext().idempotencyKey)
    return { value: value + 1, stamp: randomUUID(), given: stamp }
  },
  { maxRetries: -1 },
)

/** Gives streams; an actor runs one method at a time. */
export const RemoteSource = remote(
  class Source {
    *count(to: number): Generator<number> {
      for (let i = 0; i < to; i += 1) yield i
    }
  },
)

/** Puts a block so many times, and reads every eighth back. */
export async function putInLoop(rounds: number, sizeBytes: number): Promise<void> {
  const block = new Uint8Array(sizeBytes)
  for (let i = 0; i < rounds; i += 1) {
    const wanted = i % 251
    block[0] = wanted
    const ref = await put(block)
    if (i % 8 === 0 && (await get(ref))[0] !== wanted) throw new Error(`other bytes in round ${i}`)
  }
}
/** The same until the file is there. @returns how many times */
export const putsUntil = remote(async (file: string, sizeBytes: number) => {
  const { existsSync } = await import('node:fs')
  let rounds = 0
  for (; !existsSync(file); rounds += 8) await putInLoop(8, sizeBytes)
  return rounds
})
