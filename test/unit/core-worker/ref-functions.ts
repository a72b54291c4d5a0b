// Tasks and an actor that pass refs on in every way there is: the programs of reference-programs
// and of every-message are made of them.
import { exitActor } from '../../../sdk/actors.ts'
import { get, put } from '../../../sdk/get-put-wait.ts'
import { remote } from '../../../sdk/remote.ts'
import { runtimeContext } from '../../../sdk/runtime-context.ts'
import type { ObjectRef } from '../../../runtime/common/surface.ts'

/** A value with refs inside: those of the model. */
export interface Node {
  readonly id: number
  readonly refs: readonly ObjectRef<Node>[]
  readonly pad?: Uint8Array
}

/** Above the limit of what is inlined: such a value is stored. */
const LARGE_BYTES = 150 * 1024

export const nodeOf = (id: number, refs: readonly ObjectRef<Node>[], large: boolean): Node =>
  large ? { id, refs, pad: new Uint8Array(LARGE_BYTES).fill(id % 256) } : { id, refs }

/** Returns it: the result has the refs of the argument. */
export const build = remote((node: Node): Node => node)
/** Takes a value in place of its ref, and returns it under another id. */
export const relabel = remote((node: Node, id: number): Node => ({ ...node, id }))
/** Owns what it puts: the driver borrows it. */
export const putThere = remote(async (node: Node, outer: number): Promise<Node> => ({
  id: outer,
  refs: [await put(node)],
}))
/** What `putLater` waits for: all processes of a memory cluster are this one. */
export const gates = new Map<string, Promise<void>>()
export const putLater = remote(async (gate: string) => {
  await gates.get(gate)
  return { ref: await put(gate) }
})
/** Submits in turn, and returns the ref of a task that may still run. */
export const nest = remote((node: Node, outer: number): Node => ({
  id: outer,
  refs: [build.remote(node)],
}))
export const items = remote(async function* (nodes: readonly Node[]) {
  for (const node of nodes) {
    // Owned by the producer, and known to nobody else until the item has arrived.
    yield { ...node, refs: [...node.refs, await put(nodeOf(-node.id, [], false))] }
  }
})
export const fails = remote((node: Node): Node => {
  throw Object.assign(new Error('with refs'), { node })
})

/** What each argument is: the length of a text, the id of a node and of what it refers to. */
export const seen = remote((...args: (string | Node)[]): Promise<number[]> =>
  Promise.all(
    args.map(async (arg) => {
      if (typeof arg === 'string') return arg.length
      return arg.id + (await get([...arg.refs])).reduce((sum, { id }) => sum + id, 0)
    }),
  ),
)
/** Asks the owner of all of them at once. */
export const lengthsOf = remote(
  async ({ refs }: { readonly refs: readonly ObjectRef<string>[] }): Promise<number> =>
    (await get([...refs])).reduce((sum, text) => sum + text.length, 0),
)

class Holder {
  readonly #kept = new Map<number, Node>()
  keep(node: Node): void {
    this.#kept.set(node.id, node)
  }
  give(id: number): Node | undefined {
    return this.#kept.get(id)
  }
  drop(id: number): void {
    this.#kept.delete(id)
  }
  async idsBelow(id: number): Promise<number[]> {
    const nodes = await get([...(this.#kept.get(id)?.refs ?? [])])
    return nodes.map((node) => node.id)
  }
}
export const RemoteHolder = remote(Holder, { maxConcurrency: 4 })

class Keeper {
  readonly #node: Node
  constructor(node: Node) {
    this.#node = node
  }
  id(): number {
    return this.#node.id
  }
}
export const RemoteKeeper = remote(Keeper)
type KeeperHandle = ReturnType<typeof RemoteKeeper.remote>
export const askKeeper = remote(({ actor }: { readonly actor: KeeperHandle }): Promise<number> =>
  actor.id.run(),
)

class Echo {
  echo(text: string): string {
    return text
  }
  quit(): never {
    return exitActor()
  }
}
export const RemoteEcho = remote(Echo)
export const echo = remote((text: string) => text)
export const payloads = remote(function* (count: number, sizeBytes: number) {
  for (let i = 0; i < count; i += 1) yield '.'.repeat(sizeBytes)
})
export const gpusSeen = remote(() => runtimeContext().gpuIds, { numGpus: 1 })

class Slow {
  #count = 0
  async next(): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, 20))
    return (this.#count += 1)
  }
}
export const RemoteSlow = remote(Slow)

/** Two refs with the handle of an actor between them. */
export type Mixed = readonly [
  ObjectRef<string>,
  ReturnType<typeof RemoteHolder.remote>,
  ObjectRef<string>,
]
export const pass = remote((mixed: Mixed): Mixed => mixed)
/** Borrows the object whose ref it is given, and what is inside. */
export const readsMixed = remote(async (outer: { readonly ref: ObjectRef<Mixed> }) => {
  const [first, holder, second] = await get(outer.ref)
  return [await get(first), await holder.give.run(0), await get(second)]
})

class Journal {
  readonly #lines: string[] = []
  add(line: string): number {
    return this.#lines.push(line)
  }
  lines(): readonly string[] {
    return this.#lines
  }
}
export const RemoteJournal = remote(Journal)
/** Another caller of the journal than the driver. */
export const writes = remote(
  async (journal: ReturnType<typeof RemoteJournal.remote>, name: string, count: number) => {
    await get(Array.from({ length: count }, (_, i) => journal.add.remote(`${name} ${String(i)}`)))
  },
)

const gated = remote(async (gate: string): Promise<Node> => {
  await gates.get(gate)
  return nodeOf(1, [], false)
})
/** Gives the handle of an actor away whose argument is ready once the gate opens. */
export const makesLater = remote((gate: string): { readonly actor: KeeperHandle } => ({
  actor: RemoteKeeper.remote(gated.remote(gate)),
}))

class Asker {
  #actor: KeeperHandle | undefined
  take({ actor }: { readonly actor: KeeperHandle }): void {
    this.#actor = actor
  }
  async ask(): Promise<number | undefined> {
    return await this.#actor?.id.run()
  }
}
export const RemoteAsker = remote(Asker, { maxConcurrency: 4 })
/** Goes on until the second gate opens: whoever runs it is killed before, and it is retried. */
export const lendsLater = remote(
  async (asker: ReturnType<typeof RemoteAsker.remote>, gate: string, end: string) => {
    const actor = RemoteKeeper.remote(gated.remote(gate))
    await asker.take.run({ actor })
    await gates.get(end)
    return await actor.id.run()
  },
)
