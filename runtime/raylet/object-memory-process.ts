// TEMPORARY stand-in until objects/store.ts is there.
import type { Log } from '../common/log.ts'
import type { ObjectMemory } from './object-memory.ts'
export function openObjectMemory(_options: { readonly log: Log; readonly sessionDir: string }): ObjectMemory {
  const no = (): never => { throw new Error('no object store yet') }
  return {
    arena: { kind: 'file', path: '', sizeBytes: 0 },
    create: () => Promise.reject(new Error('no object store yet')),
    seal: no, abort: () => undefined,
    pin: () => Promise.reject(new Error('no object store yet')),
    unpin: () => undefined, free: () => undefined, clientExited: () => undefined,
    rows: () => [], usage: () => ({ usedBytes: 0, sizeBytes: 0, spilledBytes: 0 }),
    close: () => Promise.resolve(),
  }
}
