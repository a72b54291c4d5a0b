// Remote functions and classes of the tests of this folder.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import {
  Queue,
  placementGroup,
  registerType,
  remote,
  runtimeContext,
  type PlacementGroup,
  type Resources,
} from 'virga'
import { isRunning } from '../../support/is-running.ts'

export class Point {
  readonly x: number
  readonly y: number

  constructor(x: number, y: number) {
    this.x = x
    this.y = y
  }

  get norm(): number {
    return Math.hypot(this.x, this.y)
  }
}

registerType(Point, {
  name: 'test.Point',
  encode: ({ x, y }) => [x, y],
  decode: ([x = 0, y = 0]: readonly number[]) => new Point(x, y),
})

/** Never registered: it cannot travel. */
export class Secret {
  readonly key = 'key'
}

export const square = remote((x: number): number => x * x, { name: 'square' })
export const norm = remote((point: Point): number => point.norm)
export const mirrored = remote((points: readonly Point[]) =>
  points.map(({ x, y }) => new Point(y, x)),
)
export const secret = remote((): unknown => ({ deep: [new Secret()] }))
export const resources = remote((): Resources => runtimeContext().resources)

export const forever = remote((): Promise<number> => new Promise(() => undefined))
export const pid = remote((): number => process.pid)

/** What its child task was given, and the child of that. */
export const family = remote(async (): Promise<Resources[]> => {
  const [child, grandchild] = await childOfFamily.run()
  return [runtimeContext().resources, child as Resources, grandchild as Resources]
})
const childOfFamily = remote(async (): Promise<Resources[]> => [
  runtimeContext().resources,
  await resources.options({ resources: { slot: 1 } }).run(),
])

export class Place {
  own(): Resources {
    return runtimeContext().resources
  }

  async stays(started: Queue<string>): Promise<void> {
    await started.put('stays')
    await new Promise(() => undefined)
  }

  child(): Promise<Resources> {
    return resources.options({ resources: { slot: 1 } }).run()
  }
}
export const RemotePlace = remote(Place)

export const readyInTask = remote(async ({ group }: { group: PlacementGroup }) => {
  await group.ready()
  return { id: group.id, bundles: group.bundles, same: await group.wait(0) }
})

/** Reserves what it holds itself: possible only because a task that waits gives its CPU back. */
export const reservesAll = remote(async (cpus: number): Promise<string> => {
  const group = placementGroup([{ CPU: cpus }])
  await group.ready({ timeoutMs: 10_000 })
  await group.remove()
  return 'reserved'
})

/** Until it is aborted; `started` is put first. */
export const sleeper = remote(async (started: Queue<string>, name: string): Promise<string> => {
  await started.put(name)
  const { signal } = runtimeContext()
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => {
      resolve()
    })
    setTimeout(resolve, 60_000)
  })
  return name
})

/** Tells its pid, then goes on until the file is there, whatever its signal says; then it writes
 *  down when it left. */
export const stubborn = remote(
  async (started: Queue<number>, file: string): Promise<void> => {
    await started.put(process.pid)
    while (!existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 5))
    writeFileSync(`${file}.left`, String(nowMs()))
  },
  { numCpus: 0.1 },
)

/** Its first attempt never ends. The next one tells whether the process of the first still lives. */
export const seesItsFirstAttempt = remote(
  async (file: string): Promise<boolean> => {
    if (runtimeContext().attempt > 0) return isRunning(Number(readFileSync(file, 'utf8')))
    writeFileSync(file, String(process.pid))
    return new Promise(() => undefined)
  },
  { numCpus: 0.1 },
)

export const produce = remote(async (queue: Queue<number>, count: number): Promise<number> => {
  for (let i = 0; i < count; i += 1) await queue.put(i)
  return count
})

export const takeAll = remote(async (queue: Queue<number>, count: number): Promise<number[]> => {
  const items: number[] = []
  while (items.length < count) items.push(await queue.get({ timeoutMs: 10_000 }))
  return items
})

/** How waiting for an item ended. */
export const takeOne = remote(async (queue: Queue<unknown>): Promise<string> => {
  try {
    return `item ${String(await queue.get())}`
  } catch (error) {
    return (error as Error).name
  }
})

/** Begins to wait for an item, then its process is killed. */
export const diesWaiting = remote(async (queue: Queue<unknown>): Promise<void> => {
  void queue.get().catch(() => undefined)
  await queue.size() // behind the get, on the same connection
  process.kill(process.pid, 'SIGKILL')
})

export const makeQueue = remote(async (items: readonly string[]): Promise<Queue<string>> => {
  const queue = new Queue<string>()
  await queue.putBatch(items)
  return queue
})

export interface Span {
  readonly index: number
  readonly startMs: number
  readonly endMs: number
}

/** One clock for all processes of this machine; their time origins are apart when theirs was set. */
export const nowMs = (): number => Number(process.hrtime.bigint()) / 1e6

/** Works for some milliseconds and says from when to when. */
export const span = remote(
  async (index: number, workMs: number): Promise<Span> => {
    const startMs = nowMs()
    await new Promise((resolve) => setTimeout(resolve, workMs))
    return { index, startMs, endMs: nowMs() }
  },
  { numCpus: 0.1 },
)

export const crash = remote((): void => {
  process.kill(process.pid, 'SIGKILL')
})

export class Doubler {
  pid(): number {
    return process.pid
  }
  #calls = 0

  async double(x: number, workMs = 0): Promise<number> {
    this.#calls += 1
    if (workMs > 0) await new Promise((resolve) => setTimeout(resolve, workMs))
    return 2 * x
  }

  fail(x: number): number {
    throw new RangeError(`not ${String(x)}`)
  }

  calls(): number {
    return this.#calls
  }
}
export const RemoteDoubler = remote(Doubler)
