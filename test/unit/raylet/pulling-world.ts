// The world of the tests of objects between nodes: real stores in memory, the real pull manager,
// directory and lanes; what nodes say to each other is handed over directly, and what they send in
// bulk can be damaged, cut and stopped.
import { systemClock } from '../../../runtime/common/clock-system.ts'
import type { Clock } from '../../../runtime/common/clock.ts'
import { VirgaError } from '../../../runtime/common/errors.ts'
import { silentLog } from '../../../runtime/common/log.ts'
import { MemoryArena } from '../../../runtime/objects/arena-memory.ts'
import { MemorySpill } from '../../../runtime/objects/spill-memory.ts'
import { ObjectStore } from '../../../runtime/objects/store.ts'
import type { BulkConnection } from '../../../runtime/protocol/bulk.ts'
import { memoryTransport } from '../../../runtime/protocol/connection-memory.ts'
import type { Connection } from '../../../runtime/protocol/connection.ts'
import { ObjectPulls, type ObjectPullsDeps } from '../../../runtime/raylet/cluster/object-pulls.ts'
import { SilentWaits } from '../../../runtime/raylet/cluster/silent-waits.ts'
import { bulkOver } from '../../support/bulk-over.ts'
import {
  MIB,
  SIZE_BYTES,
  STORE_BYTES,
  rowOf,
  type SmallNode,
  type TestNode,
} from './pulling-node.ts'

export const link = { id: 1, notify: (): void => undefined }

export class PullingWorld {
  /** How much faster than ours: pauses between attempts are no part of these tests. */
  speed = 1
  readonly nodes: TestNode[] = []
  /** Pairs of nodes that cannot reach each other. */
  readonly cut = new Set<string>()
  /** A process that has left. */
  gone: string | undefined
  /** Whom a node is told to read from, the first time that it asks. */
  readonly misled = new Map<string, string>()
  /** Called before each frame that a holder sends. */
  onFrame: (from: string, to: string, frame: Buffer) => 'SEND' | 'DROP' | 'RESET' = () => 'SEND'
  readonly #transport = memoryTransport(systemClock)
  readonly #clock: Clock = {
    ...systemClock,
    monotonicMs: () => systemClock.monotonicMs() * this.speed,
    after: (delayMs, run) => systemClock.after(delayMs / this.speed, run),
  }

  constructor() {
    this.nodes.push(...['a', 'b', 'c'].map((nodeId) => this.aNode(nodeId)))
  }

  async close(): Promise<void> {
    for (const { pulls, store } of this.nodes) {
      pulls.stop()
      store.check()
      await store.close()
    }
  }

  /** Its store is smaller than the objects of these tests; what it cannot hold are files. */
  aSmallNode(nodeId: string, spillBytes = 64 * MIB): SmallNode {
    const spill = new MemorySpill({ capacityBytes: spillBytes })
    const node = { ...this.aNode(nodeId, 4 * MIB, spill), spill }
    this.nodes.push(node)
    return node
  }

  aNode(nodeId: string, sizeBytes = STORE_BYTES, spill?: MemorySpill): TestNode {
    const arena = new MemoryArena({ sizeBytes })
    const deps = { arena, spill, clock: systemClock, log: silentLog }
    const store = new ObjectStore(deps, { sizeBytes })
    const asked: string[] = []
    const pulls = new ObjectPulls({
      ...{ member: this.#memberOf(nodeId, asked), nodeId, clock: this.#clock, log: silentLog },
      transport: { connectBulk: (to) => this.#connectBulk(nodeId, to) },
      silent: new SilentWaits(this.#clock),
      isHere: (by) => by !== this.gone,
      store: () => store,
    })
    return { nodeId, arena, store, pulls, asked, damages: false, away: false }
  }

  #memberOf(nodeId: string, asked: string[]): ObjectPullsDeps['member'] {
    const ask = async (to: string, type: string, message: object): Promise<never> => {
      asked.push(`${to} ${type}`)
      const { pulls: other } = this.#reach(nodeId, to)
      const source = this.misled.get(nodeId)
      if (type === 'joinReaders' && source !== undefined) {
        this.misled.delete(nodeId)
        return { sizeBytes: SIZE_BYTES, source } as never
      }
      return (await other.requested({ from: nodeId, type, message, link })) as never
    }
    const nodes = (): ReturnType<typeof rowOf>[] => this.nodes.map((each) => rowOf(each.nodeId))
    const others = (): ReturnType<typeof nodes> => nodes().filter((each) => each.nodeId !== nodeId)
    const tell: ObjectPullsDeps['member']['tell'] = (to, type, message) => {
      const pulls = this.#find(nodeId, to)?.pulls
      if (type === 'freeObjects') pulls?.freed(message as never)
      else pulls?.copyIs({ from: nodeId, type, message, link })
    }
    return {
      ...{ ask, tell, nodes, others },
      askEach: async (type, message) => {
        const answers: never[] = []
        const silent: string[] = []
        for (const { nodeId: other } of others()) {
          await ask(other, type, message).then(
            (answer) => answers.push(answer),
            () => silent.push(other),
          )
        }
        return { answers, silent }
      },
      tellAll: (type, message) => {
        for (const each of others()) tell(each.nodeId, type, message)
      },
    }
  }

  #find(from: string, to: string): TestNode | undefined {
    if (this.cut.has(`${from} ${to}`)) return undefined
    return this.nodes.find((each) => each.nodeId === to && !each.away)
  }

  #reach(from: string, to: string): TestNode {
    const other = this.#find(from, to)
    if (other === undefined) throw new VirgaError(`node ${to} does not answer`)
    return other
  }

  async #connectBulk(from: string, to: string): Promise<BulkConnection> {
    const { pulls: holder } = this.#reach(from, to)
    const address = `${from} to ${to} ${Math.random()}`
    await this.#transport.listen(address, (end) => {
      holder.serve(asBulk(this.#faulty(end, to, from), from))
    })
    return asBulk(await this.#transport.connect(address), to)
  }

  /** The end of a holder. */
  #faulty(end: Connection, from: string, to: string): Connection {
    const send = end.send.bind(end)
    end.send = (frame) => {
      const holder = this.nodes.find((each) => each.nodeId === from)
      if (holder?.damages === true) frame[frame.length - 7] = 255 - (frame.at(-7) ?? 0)
      const what = holder?.away === true ? 'RESET' : this.onFrame(from, to, frame)
      if (what === 'SEND') send(frame)
      if (what === 'RESET') {
        send(frame.subarray(0, frame.length / 2))
        end.close()
      }
    }
    return end
  }
}

const asBulk = (connection: Connection, nodeId: string): BulkConnection =>
  bulkOver(Object.assign(connection, { peer: { cluster: '', nodeId, epoch: 1 } }))
