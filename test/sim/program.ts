// The random program of a simulated driver: calls of every kind, mixed by the seed, with what each
// must give. At the end it gets everything, judges it, and lets go of it.
import { cancel, get, kill, limiter, placementGroup, put, wait } from '../../sdk/index.ts'
import { inPlacementGroup, type ObjectRef } from '../../sdk/index.ts'
import { actorEntryOf } from '../../runtime/core-worker/actor-handle.ts'
import type { Draw } from './draw.ts'
import type { Ledger } from './ledger.ts'
import * as remote from './workload.ts'
import type { Doing, Value } from './workload.ts'
import type { SimDriver, World } from './world.ts'

/** A value that is on its way, and what may become of it. */
interface Item {
  readonly key: string
  readonly ref: ObjectRef<Value>
  /** Undefined: unknown before it is read, but the same for all readers. */
  digest: number | undefined
  /** Names of errors that it may give instead. */
  readonly risks: Set<string>
  /** How many crashes it survives. */
  readonly retries: number
}

interface ActorItem {
  readonly key: string
  readonly handle: remote.AccountHandle
  readonly risks: Set<string>
  readonly atMostOnce: boolean
  nextSeq: number
  readonly calls: { readonly seq: number; readonly ref: ObjectRef<number> }[]
}

interface Made {
  readonly key: string
  readonly ref: unknown
  readonly digest: number | undefined
  readonly risks: readonly string[]
  /** How many crashes it survives. Default 3. */
  readonly retries?: number
}

function itemOf({ key, ref, digest, risks, retries = 3 }: Made): Item {
  return { key, ref: ref as ObjectRef<Value>, digest, risks: new Set(risks), retries }
}

const SHARED_NAME = { name: 'the one', namespace: remote.SHARED_NAMESPACE }
const SIZES = [0, 0, 0, 2_000, 150_000, 400_000]
const LOSSES = ['OwnerDiedError', 'ObjectLostError', 'ObjectNotFoundError']

export class Program {
  /** What it waits for now, for the story of a run that hangs. */
  doing = 'starting'
  readonly #world: World
  readonly #driver: SimDriver
  readonly #draw: Draw
  readonly #ledger: Ledger
  readonly #name: string
  readonly #items: Item[] = []
  readonly #actors: ActorItem[] = []
  readonly #side: Promise<void>[] = []
  #keyCount = 0

  constructor(world: World, driver: SimDriver, parts: { draw: Draw; ledger: Ledger }) {
    this.#world = world
    this.#driver = driver
    this.#draw = parts.draw
    this.#ledger = parts.ledger
    this.#name = driver.process.name
  }

  /** To be run in the scope of its driver. */
  async run(): Promise<void> {
    for (let i = 0; i < this.#world.plan.opCount; i += 1) {
      const op = this.#draw.pick(OPS)
      this.doing = `op ${String(i)} ${op}`
      await this.#try(op, this.#ops[op])
      if (this.#draw.chance(0.3)) await remote.sleep(this.#draw.between(0, 60))
    }
    await this.#settle()
  }

  async #try(what: string, run: () => Promise<void> | void): Promise<void> {
    try {
      await run()
    } catch (error) {
      this.#judgeError(`${this.#name}: ${what}`, error, new Set())
    }
  }

  readonly #ops: Record<Op, () => Promise<void> | void> = {
    combine: () => {
      this.#submit('combine', this.#draw.int(0, 3))
    },
    burst: () => {
      for (let i = this.#draw.int(5, 30); i > 0; i -= 1) this.#submit('quick', 0)
    },
    fanOut: () => {
      const count = this.#draw.int(1, 5)
      const what = this.#what()
      const parts = Array.from({ length: count }, (_, i) => remote.digestOfPart(what, i))
      const ref = remote.fanOut.options({ maxRetries: 10 }).remote(what, count)
      const risks = ['WorkerCrashedError', ...LOSSES]
      this.#add({ key: what.key, ref, digest: remote.combined(what.key, parts), risks })
    },
    put: async () => {
      const what = this.#what()
      const digest = remote.combined(what.key, [])
      try {
        const ref = await put(remote.valueOf(digest, what.sizeBytes))
        this.#add({ key: what.key, ref, digest, risks: [], retries: Infinity })
      } catch (error) {
        this.#judgeError(what.key, error, new Set())
      }
    },
    box: () => {
      const inside = this.#some(this.#draw.int(1, 3))
      const what = this.#what()
      const refs = inside.map(({ ref }) => ref)
      const ref = remote.openBox.options({ maxRetries: 10 }).remote(what, { refs })
      this.#addFrom(inside, { key: what.key, ref, risks: LOSSES })
    },
    lend: async () => {
      const what = this.#what()
      const lent = remote.lend.remote(what)
      try {
        const { refs } = await get(lent)
        for (const [i, ref] of refs.entries()) {
          const digest = remote.digestOfPart(what, i)
          const risks = [...LOSSES, 'WorkerCrashedError']
          this.#add({ key: `${what.key}.${String(i)}`, ref, digest, risks, retries: 0 })
        }
      } catch (error) {
        this.#judgeError(what.key, error, new Set(['WorkerCrashedError']))
      } finally {
        lent.free()
      }
    },
    passOn: async () => {
      const inside = this.#some(this.#draw.int(1, 3))
      const what = this.#what()
      const passed = remote.passOn.options({ maxRetries: 10 }).remote(what, {
        refs: inside.map(({ ref }) => ref),
      })
      try {
        const { refs } = await get(passed)
        for (const [i, ref] of refs.entries()) {
          const { key, digest, risks, retries } = inside[i] as Item
          this.#add({ key: `${key} again`, ref, digest, risks: [...risks, ...LOSSES], retries })
        }
      } catch (error) {
        const risks = inside.flatMap((item) => [...item.risks])
        this.#judgeError(what.key, error, new Set([...risks, ...LOSSES]))
      } finally {
        passed.free()
      }
    },
    several: () => {
      const count = this.#draw.int(2, 4)
      const what = this.#what()
      const refs = remote.several.options({ numReturns: count }).remote(what, count)
      for (const [i, ref] of refs.entries()) {
        const digest = remote.digestOfPart(what, i)
        this.#add({ key: `${what.key}.${String(i)}`, ref, digest, risks: [] })
      }
    },
    refStream: async () => {
      const what = this.#what()
      const count = this.#draw.int(1, 6)
      const takes = this.#draw.chance(0.7) ? count : this.#draw.int(1, count)
      const risks = new Set(['WorkerCrashedError', ...LOSSES])
      let index = 0
      try {
        for await (const item of remote.refStream.remote(what, count)) {
          const { ref } = await get(item)
          item.free()
          const digest = remote.digestOfPart(what, index)
          this.#add({
            key: `${what.key}.${String(index)}`,
            ref,
            digest,
            risks: [...risks],
            retries: 0,
          })
          index += 1
          if (index === takes) break
        }
      } catch (error) {
        this.#judgeError(what.key, error, risks)
      }
    },
    timed: () => {
      const what = this.#what()
      const timeoutMs = this.#draw.int(1, 200)
      const ref = remote.combine.options({ timeoutMs }).remote(what)
      const digest = remote.combined(what.key, [])
      // A stall or a pause may use up its time.
      this.#world.cancelCount += 1
      this.#add({ key: what.key, ref, digest, risks: ['TaskTimeoutError', 'WorkerCrashedError'] })
    },
    keepRef: async () => {
      const actor = this.#actor()
      const [item] = this.#some(1)
      if (actor === undefined || item === undefined) return
      const calls = [actor.handle.keep.remote({ ref: item.ref }), actor.handle.readKept.remote()]
      const letsGo = actor.handle.letGo.remote()
      const risks = new Set([...item.risks, ...actor.risks, ...LOSSES])
      this.#world.keepCount += 1
      try {
        await get(calls[0] as ObjectRef<unknown>)
        const digest = await get(calls[1] as ObjectRef<number>)
        if (item.digest === undefined) item.digest = digest
        else if (digest !== 0) this.#expect(`${item.key} kept by ${actor.key}`, digest, item.digest)
        await get(letsGo)
      } catch (error) {
        this.#judgeError(`${item.key} kept by ${actor.key}`, error, risks, item.retries)
      } finally {
        for (const ref of [...calls, letsGo]) ref.free()
      }
    },
    stamp: () => {
      const what = this.#what()
      const ref = remote.stamp.remote(what)
      this.#add({ key: what.key, ref, digest: undefined, risks: [] })
    },
    fails: () => {
      const attempts = this.#draw.int(1, 3)
      const what = this.#what()
      const options = { retryExceptions: true, maxRetries: this.#draw.int(0, 10) }
      const ref = remote.fails.options(options).remote(what, attempts)
      const fails = options.maxRetries < attempts + this.#world.plan.opCount
      const digest = remote.combined(what.key, [])
      const risks = fails ? ['RangeError', 'WorkerCrashedError'] : []
      this.#add({ key: what.key, ref, digest, risks, retries: options.maxRetries })
    },
    stream: async () => {
      const what = this.#what()
      const count = this.#draw.int(1, 12)
      const takes = this.#draw.chance(0.7) ? count : this.#draw.int(1, count)
      let index = 0
      try {
        for await (const ref of remote.stream.remote(what, count)) {
          const value = await get(ref)
          ref.free()
          this.#expect(what.key, remote.digestOf(value), remote.digestOfPart(what, index))
          index += 1
          if (index === takes) break
        }
        if (index < takes)
          this.#broken(`${what.key} gave ${String(index)} of ${String(takes)} items`)
      } catch (error) {
        this.#judgeError(what.key, error, new Set(['WorkerCrashedError']))
      }
    },
    wait: async () => {
      const items = this.#some(this.#draw.int(1, 5))
      if (items.length === 0) return
      const refs = [...new Map(items.map(({ ref }) => [ref.id, ref])).values()]
      const numReturns = this.#draw.int(1, refs.length)
      const timeoutMs = this.#draw.int(0, 50)
      const [ready, pending] = await wait(refs, { numReturns, timeoutMs })
      if (ready.length > numReturns || ready.length + pending.length !== refs.length) {
        this.#broken(
          `wait gave ${String(ready.length)} ready and ${String(pending.length)} pending`,
        )
      }
    },
    cancel: async () => {
      const [item] = this.#some(1)
      if (item === undefined || item.retries === Infinity) return
      item.risks.add('TaskCancelledError').add('WorkerCrashedError')
      for (const other of this.#items) other.risks.add('TaskCancelledError')
      this.#world.cancelCount += 1
      await cancel(item.ref, { force: this.#draw.chance(0.3) })
    },
    get: async () => {
      const [item] = this.#some(1)
      if (item !== undefined) await this.#read(item)
    },
    free: () => {
      const [item] = this.#some(1)
      if (item === undefined) return
      this.#items.splice(this.#items.indexOf(item), 1)
      item.ref.free()
    },
    actor: () => {
      const key = this.#key()
      const atMostOnce = this.#draw.chance(0.5)
      const handle = remote.RemoteAccount.options({
        maxRestarts: this.#draw.pick([0, 1, -1]),
        maxTaskRetries: atMostOnce ? 0 : 10,
        ...this.#draw.pick([{}, {}, { name: key }, SHARED_NAME]),
      }).remote(key, atMostOnce)
      const risks = new Set(['ActorDiedError', 'ActorUnavailableError', 'ActorAlreadyExistsError'])
      this.#actors.push({ key, handle, risks, atMostOnce, nextSeq: 0, calls: [] })
    },
    callActor: () => {
      const actor = this.#actor()
      if (actor === undefined) return
      for (let i = this.#draw.int(1, 6); i > 0; i -= 1) {
        const seq = actor.nextSeq++
        const sleepMs = this.#draw.pick([0, 0, 5, 40])
        actor.calls.push({ seq, ref: actor.handle.take.remote(this.#name, seq, sleepMs) })
      }
    },
    passActor: () => {
      const actor = this.#actor()
      if (actor === undefined) return
      const what = this.#what()
      const count = this.#draw.int(1, 4)
      const ref = remote.callActor
        .options({ maxRetries: 0 })
        .remote({ ...what, atMostOnce: true }, actor.handle, what.key, count)
      const digest = remote.combined(
        what.key,
        Array.from({ length: count }, (_, i) => i),
      )
      // An actor that is to read this result keeps the calls waiting that the result waits for.
      const risks = [...actor.risks, 'WorkerCrashedError', ...LOSSES, 'DeadlockError']
      this.#add({ key: what.key, ref, digest, risks, retries: 0 })
    },
    killActor: async () => {
      const actor = this.#actor()
      if (actor === undefined) return
      this.#world.killCount += 1
      try {
        await kill(actor.handle, { noRestart: this.#draw.chance(0.5) })
      } catch (error) {
        this.#judgeError(actor.key, error, actor.risks)
      }
    },
    group: () => {
      this.#side.push(this.#try('group', () => this.#useGroup()))
    },
    limited: async () => {
      const judged = { name: `limit of ${this.#name}`, concurrency: 2 }
      const limit = limiter(judged.name, { concurrency: judged.concurrency })
      const items = Array.from({ length: this.#draw.int(2, 6) }, () => {
        const what = this.#what()
        const ref = remote.limited.options({ limit }).remote(what, judged)
        return this.#add({ key: what.key, ref, digest: remote.combined(what.key, []), risks: [] })
      })
      if (this.#draw.chance(0.4)) await this.#cancelSoon(items[0] as Item)
    },
  }

  /** What is cancelled has likely begun, and runs on: its limiter's token is not free yet. */
  async #cancelSoon(item: Item): Promise<void> {
    await remote.sleep(this.#draw.between(0, 30))
    item.risks.add('TaskCancelledError')
    this.#world.cancelCount += 1
    await cancel(item.ref)
  }

  async #useGroup(): Promise<void> {
    const cpus = Math.min(this.#world.plan.cpus, this.#draw.int(1, 2))
    const group = placementGroup(Array.from({ length: cpus }, () => ({ CPU: 1 })))
    await group.ready()
    const what = this.#what()
    const schedulingStrategy = inPlacementGroup(group)
    const ref = remote.combine.options({ schedulingStrategy }).remote(what)
    const item = itemOf({
      key: what.key,
      ref,
      digest: remote.combined(what.key, []),
      risks: [],
    })
    await this.#read(item)
    ref.free()
    this.#world.killCount += 1 // what runs in a group ends with it, and what that worker owns
    await group.remove()
  }

  #submit(kind: keyof typeof SUBMITTED, argCount: number): void {
    const args = this.#some(argCount)
    const what = { ...this.#what(), atMostOnce: this.#draw.chance(0.2) }
    // What is held may be more than such a disk and the store take: for ever would be too long.
    const retriesMost = this.#world.plan.diskMayRefuse ? 10 : -1
    const maxRetries = what.atMostOnce ? 0 : this.#draw.pick([3, 10, retriesMost])
    const numCpus = this.#draw.pick([1, 1, 0.5, 0])
    const refs = args.map(({ ref }) => ref)
    const ref = SUBMITTED[kind].options({ maxRetries, numCpus }).remote(what, ...refs)
    this.#addFrom(args, { key: what.key, ref, risks: [], retries: maxRetries })
  }

  #addFrom(from: readonly Item[], made: Omit<Made, 'digest'>): void {
    const { key, risks, retries = 10 } = made
    const digests = from.map(({ digest }) => digest)
    const isKnown = digests.every((digest) => digest !== undefined)
    const digest = isKnown ? remote.combined(key, digests) : undefined
    const all = [...from.flatMap((item) => [...item.risks]), ...risks]
    const least = Math.min(...from.map((item) => item.retries), retries < 0 ? Infinity : retries)
    this.#add({ ...made, digest, risks: all, retries: least })
  }

  #add(made: Made): Item {
    const item = itemOf(made)
    this.#items.push(item)
    return item
  }

  #key(): string {
    this.#keyCount += 1
    return `${this.#name}-${String(this.#keyCount)}`
  }

  #what(): Doing {
    return {
      key: this.#key(),
      sleepMs: this.#draw.chance(0.5) ? 0 : this.#draw.between(0, this.#draw.pick([2, 30, 300])),
      spinMs: this.#draw.chance(0.5) ? 0 : this.#draw.between(0, 3),
      sizeBytes: this.#draw.pick(SIZES),
      atMostOnce: false,
    }
  }

  #some(count: number): Item[] {
    const chosen = new Set<Item>()
    for (let i = 0; i < count && this.#items.length > 0; i += 1)
      chosen.add(this.#draw.pick(this.#items))
    return [...chosen]
  }

  #actor(): ActorItem | undefined {
    return this.#actors.length === 0 ? undefined : this.#draw.pick(this.#actors)
  }

  async #settle(): Promise<void> {
    for (const item of this.#items) {
      this.doing = `reading ${item.key}`
      await this.#read(item)
    }
    for (const { ref } of this.#items.splice(0)) ref.free()
    for (const actor of this.#actors) {
      this.doing = `reading the calls of ${actor.key}`
      await this.#readCalls(actor)
    }
    this.doing = 'waiting for its groups'
    await Promise.all(this.#side)
    for (const { handle } of this.#actors.splice(0))
      this.#driver.collector.drop(actorEntryOf(handle))
    this.doing = 'done'
  }

  async #read(item: Item): Promise<void> {
    try {
      const digest = remote.digestOf(await get(item.ref))
      if (item.digest === undefined) item.digest = digest
      else this.#expect(item.key, digest, item.digest)
    } catch (error) {
      this.#judgeError(item.key, error, item.risks, item.retries)
    }
  }

  async #readCalls({ key, calls, risks, atMostOnce }: ActorItem): Promise<void> {
    for (const { seq, ref } of calls) {
      try {
        this.#expect(key, await get(ref), seq)
        const effects = this.#ledger.effectsOf(key, this.#name, seq)
        if (effects === 0 || (atMostOnce && effects > 1)) {
          this.#broken(
            `I6: call ${String(seq)} of ${key} gave a result and had ${String(effects)} effects`,
          )
        }
      } catch (error) {
        this.#judgeError(key, error, risks)
      } finally {
        ref.free()
      }
    }
  }

  #expect(key: string, got: number, wanted: number): void {
    if (got === wanted) return
    this.#broken(`I2: ${key} gave ${String(got)} instead of ${String(wanted)}`)
  }

  /** I10: whatever failed failed with a typed error that something has caused. */
  #judgeError(key: string, error: unknown, risks: ReadonlySet<string>, retries = 3): void {
    const names = namesOf(error)
    const allowed = names.some((name) => risks.has(name) && this.#isCaused(name, retries))
    const general = names.some((name) => this.#isCaused(name, retries) && GENERAL.has(name))
    if (!allowed && !general && !this.#world.isDamage(names)) {
      this.#world.scheduler.fail(`I10: ${key} failed with ${names.join(' ← ')}`, error)
    }
  }

  #isCaused(name: string, retries: number): boolean {
    const { crashCount, cancelCount, killCount, keepCount, plan } = this.#world
    if (name === 'DeadlockError') return keepCount > 0
    if (name === 'NodeDiedError') return this.#world.nodes.some(({ process }) => !process.alive)
    if (name === 'WorkerCrashedError') return crashCount > Math.min(retries, 3) || cancelCount > 0
    if (name === 'TaskCancelledError') return cancelCount > 0
    if (name === 'RangeError' || name === 'ActorAlreadyExistsError') return true
    if (name === 'ObjectStoreFullError') return plan.diskMayRefuse
    return crashCount + killCount + cancelCount > 0
  }

  #broken(what: string): void {
    this.#world.scheduler.fail(what)
  }
}

const SUBMITTED = { combine: remote.combine, quick: remote.quick }

/** What may befall any call, when its cause was there. */
const GENERAL = new Set(['WorkerCrashedError', 'ObjectStoreFullError', 'NodeDiedError'])

function namesOf(error: unknown): string[] {
  const names: string[] = []
  for (let each = error; each instanceof Error && names.length < 10; each = each.cause) {
    names.push(each.name)
  }
  return names.length > 0 ? names : [String(error)]
}

const OPS = [
  'combine',
  'combine',
  'combine',
  'burst',
  'fanOut',
  'put',
  'box',
  'lend',
  'stamp',
  'fails',
  'stream',
  'wait',
  'cancel',
  'get',
  'free',
  'actor',
  'callActor',
  'callActor',
  'passActor',
  'killActor',
  'group',
  'limited',
  'passOn',
  'several',
  'refStream',
  'timed',
  'keepRef',
] as const
type Op = (typeof OPS)[number]
