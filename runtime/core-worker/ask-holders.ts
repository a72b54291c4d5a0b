// What an owner does that ends once nobody holds anything of it: it asks those who do to collect.
// They may hold it as garbage, of which they have too little to collect any by themselves.
import type { Clock } from '../common/clock.ts'
import type { Peer } from './peers.ts'

/** Between two requests; most such owners are free before the first. */
const ASK_EVERY_MS = 2000

export interface HolderDeps {
  readonly clock: Pick<Clock, 'after'>
  /** Processes that have borrowed from this one, on whichever node. */
  borrowers(this: void): readonly Peer[]
  /** Whether anything is lent, or on its way to who will borrow it. */
  isHeld(this: void): boolean
}

/** Again and again while something is held, as it may be dropped at any time. */
export function askHolders({ clock, borrowers, isHeld }: HolderDeps): void {
  const ask = (): void => {
    if (!isHeld()) return
    for (const peer of borrowers()) {
      peer.with((channel) => {
        channel.notify('collectHandles', {})
      })
    }
    clock.after(ASK_EVERY_MS, ask)
  }
  clock.after(ASK_EVERY_MS, ask)
}
