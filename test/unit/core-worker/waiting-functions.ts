// Calls that wait until they are let go: what let-go.test.ts cancels, kills and counts.
import { get, put } from '../../../sdk/get-put-wait.ts'
import { remote } from '../../../sdk/remote.ts'
import type { ObjectEntry } from '../../../runtime/core-worker/object-entry.ts'
import { entryOf } from '../../../runtime/core-worker/object-ref.ts'
import type { ObjectRef } from '../../../runtime/common/surface.ts'
import { payloads } from './ref-functions.ts'

let waiters: (() => void)[] = []

/** All processes of a memory cluster share these. */
export const waiting = (): number => waiters.length

export function release(): void {
  for (const go of waiters) go()
}

export function reset(): void {
  waiters = []
}

const untilReleased = (): Promise<void> => new Promise((resolve) => waiters.push(resolve))

export const waits = remote(async (_argument: unknown): Promise<void> => untilReleased())

class Waiter {
  async wait(_argument: unknown): Promise<void> {
    await untilReleased()
  }
}
export const RemoteWaiter = remote(Waiter, { maxConcurrency: 10 })

export const callsThrough = remote(
  async (actor: ReturnType<typeof RemoteWaiter.remote>): Promise<void> => actor.wait.run(undefined),
)

/** Reads a stream all of whose items have arrived. @returns how many */
export const readsBuffered = remote(async (count: number): Promise<number> => {
  const stream = payloads.remote(count, 1)
  await get(stream.completed)
  let read = 0
  for await (const item of stream) if (item.id !== '') read += 1
  return read
})

export const threeLarge = remote(() => [1, 2, 3].map((i) => new Uint8Array(200_000).fill(i)), {
  numReturns: 3,
})

/** No collector takes them. */
export const freedUnread: ObjectEntry[] = []
export const freesUnread = remote(({ ref }: { readonly ref: ObjectRef<unknown> }) => {
  freedUnread.push(entryOf(ref))
  ref.free()
})

export const makesLarge = remote((sizeBytes: number) => new Uint8Array(sizeBytes))
export const putsLarge = remote(async (sizeBytes: number) => ({
  ref: await put(new Uint8Array(sizeBytes)),
}))
export const largeOnes = remote(function* (sizes: readonly number[]) {
  for (const size of sizes) yield new Uint8Array(size)
})
