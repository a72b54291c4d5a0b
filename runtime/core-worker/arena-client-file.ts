// How the processes of a machine reach the bytes of its object store, as its raylet says.
import { systemClock } from '../common/clock-system.ts'
import { systemFinalization } from '../common/finalization-system.ts'
import { openFileArena } from '../objects/arena-file.ts'
import { openShmArena } from '../objects/arena-shm.ts'
import { directFiles } from '../objects/spill-file.ts'
import type { Welcome } from '../protocol/messages.ts'
import type { ObjectMemory } from './store-client.ts'

export function openArenaClient({ kind, path, sizeBytes }: Welcome['arena']): ObjectMemory {
  const deps = { clock: systemClock, finalization: systemFinalization }
  const client = kind === 'shm' ? openShmArena(path, sizeBytes, deps) : openFileArena(path)
  return { client, direct: directFiles }
}
