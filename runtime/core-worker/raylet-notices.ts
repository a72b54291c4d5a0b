// What the raylet tells a core-worker, and which part of it is told.
import type { ClientNotices } from '../protocol/messages.ts'
import type { CoreWorker } from './core-worker.ts'
import type { NoticeHandlers } from './raylet-link.ts'

/** What only workers are told, or only drivers: they add it themselves. */
export type ExtraNotices = Pick<NoticeHandlers, 'startActor' | 'exit' | 'output'>

export function rayletNotices(worker: CoreWorker): Omit<NoticeHandlers, keyof ExtraNotices> {
  return {
    leaseGranted: (message: ClientNotices['leaseGranted']): void => {
      worker.leases.granted(message)
    },
    classRefused: (message: ClientNotices['classRefused']): void => {
      worker.submitter.classRefused(message)
    },
    reclaimLease: (message: ClientNotices['reclaimLease']): void => {
      worker.leases.reclaim(message.leaseId)
    },
    leaseBroken: (message: ClientNotices['leaseBroken']): void => {
      worker.submitter.leaseBroken(message)
    },
    actorChanged: (view: ClientNotices['actorChanged']): void => {
      for (const actorId of worker.registry.idsOf(view.actorId)) {
        if (view.foundInstead === undefined) worker.actors.changed({ ...view, actorId })
        else if (worker.actors.has(actorId))
          worker.actors.follow(actorId, worker.registry.found(actorId, view.foundInstead))
      }
    },
    livesEnded: ({ ended }: ClientNotices['livesEnded']): void => {
      worker.peers.livesEnded(ended)
    },
    tokensGranted: (message: ClientNotices['tokensGranted']): void => {
      worker.limiters.granted(message)
    },
    tokensRefused: (message: ClientNotices['tokensRefused']): void => {
      worker.limiters.refused(message)
    },
    shedMemory: (): void => {
      worker.store.shed()
    },
    collectHandles: (): void => {
      worker.collector.collectForOthers()
    },
    checkWait: ({ waitId, check }: ClientNotices['checkWait']): void => {
      worker.blocking.check(waitId, check)
    },
    deadlock: ({ waitId, chain }: ClientNotices['deadlock']): void => {
      worker.blocking.deadlock(waitId, chain)
    },
  }
}
