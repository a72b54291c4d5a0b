// The processes that are connected to this raylet: what one of them is told, and what all are.
import type { WorkerId } from '../common/ids.ts'
import type { ClientNotices } from '../protocol/messages.ts'
import type { ClientLink } from './client-link.ts'
import { NewestLives } from './actors/ended-lives.ts'
import type { RayletState } from './state.ts'

export class ClientLinks {
  readonly #state: RayletState
  readonly #links = new Map<WorkerId, ClientLink>()
  readonly #ended = new NewestLives()

  constructor(state: RayletState) {
    this.#state = state
  }

  get(client: WorkerId): ClientLink | undefined {
    return this.#links.get(client)
  }

  has(client: WorkerId): boolean {
    return this.#links.has(client)
  }

  /** PE4: it hears of what has ended before it hears anything else. */
  add(client: WorkerId, link: ClientLink): void {
    this.#links.set(client, link)
    const ended = this.#ended.list()
    if (ended.length > 0) link.notify('livesEnded', { ended })
  }

  /** @returns whether it was that client's. */
  delete(client: WorkerId, link: ClientLink): boolean {
    return this.#links.get(client) === link && this.#links.delete(client)
  }

  /** As people know it. */
  describe(client: WorkerId): string {
    const pid = this.#links.get(client)?.pid
    if (this.#state.workers.has(client)) return `a worker (pid ${pid ?? 'unknown'})`
    return pid === undefined ? 'a driver that is leaving' : `a driver (pid ${pid})`
  }

  /** The store is short of room. */
  shedMemory(): void {
    for (const link of this.#links.values()) link.notify('shedMemory', {})
  }

  /** Of other nodes. */
  livesEnded(ended: ClientNotices['livesEnded']['ended']): void {
    this.#ended.add(ended)
    for (const link of this.#links.values()) link.notify('livesEnded', { ended })
  }

  /**
   * Which of these processes of this node refer to: drivers and workers.
   * @throws where one does not answer. One that ends meanwhile refers to nothing.
   */
  async refersTo(objectIds: readonly string[]): Promise<readonly string[]> {
    const asked = [...this.#links].flatMap(([id, link]) =>
      this.#state.clients.get(id)?.role === 'cli' ? [] : [this.#refersTo(id, link, objectIds)],
    )
    return (await Promise.all(asked)).flat()
  }

  async #refersTo(id: WorkerId, link: ClientLink, objectIds: readonly string[]): Promise<string[]> {
    try {
      return await link.refersTo(objectIds)
    } catch (error) {
      if (this.#links.get(id) === link) throw error
      return []
    }
  }

  get hasWorkers(): boolean {
    return [...this.#links.keys()].some((id) => this.#state.clients.get(id)?.role === 'worker')
  }

  /** @param kill  those that have not said hello yet: they have nothing to finish. */
  askWorkersToExit(kill: (workerId: WorkerId) => void): void {
    for (const { workerId } of this.#state.workers.values()) {
      const link = this.#links.get(workerId)
      if (link === undefined) kill(workerId)
      else link.notify('exit', { reason: 'the cluster stops' })
    }
    for (const link of this.#links.values()) link.flush()
  }

  /** What else they would hear is only that their raylet has gone. */
  tellDrivers(reason: string): void {
    for (const [id, link] of this.#links) {
      if (this.#state.workers.has(id)) continue
      link.notify('exit', { reason })
      link.flush()
    }
  }

  close(): void {
    for (const link of this.#links.values()) link.close()
  }
}
