// The calls of Storage as messages, between a raylet and the one that hosts the GCS. Their types
// are those of the port's methods, so they are written there alone.
import { UnsupportedMessageError } from '../common/errors.ts'
import { showValue } from '../common/show-value.ts'
import type { Storage } from './storage.ts'

/** For a Channel; `storage` may stand beside other calls. */
export interface StorageCalls {
  storage: [StorageRequest, StorageReply]
}

export interface StorageRequest {
  /** Random, one per process. */
  readonly client: string
  /** Names this call among the client's: a repeated one is made once. */
  readonly sequence: number
  /** All calls below this one have ended: the host may forget them. */
  readonly endedBelow: number
  readonly call: StorageCall
}

export type StorageMethod = keyof Storage

/** A method and its arguments. */
export type StorageCall<M extends StorageMethod = StorageMethod> = {
  readonly [K in M]: { readonly kind: K; readonly args: Readonly<Parameters<Storage[K]>> }
}[M]

export type StorageReply<M extends StorageMethod = StorageMethod> = Awaited<ReturnType<Storage[M]>>

type Methods = {
  readonly [K in StorageMethod]: (
    ...args: Readonly<Parameters<Storage[K]>>
  ) => ReturnType<Storage[K]>
}

const ACCESS: Readonly<Record<StorageMethod, 'READ' | 'WRITE'>> = {
  get: 'READ',
  query: 'READ',
  putIf: 'WRITE',
  update: 'WRITE',
  delete: 'WRITE',
  append: 'WRITE',
  transact: 'WRITE',
}

export const isWrite = (kind: StorageMethod): boolean => ACCESS[kind] === 'WRITE'

/**
 * Makes a call.
 * @throws UnsupportedMessageError for one that the port does not have.
 */
export async function perform<M extends StorageMethod>(
  storage: Storage,
  { kind, args }: StorageCall<M>,
): Promise<StorageReply<M>> {
  // What else the object can do is none of a peer's business.
  if (!Object.hasOwn(ACCESS, kind)) {
    throw new UnsupportedMessageError(
      `the GCS has no call ${showValue(kind)}: use the same version of virga on all nodes`,
      { data: { type: kind } },
    )
  }
  const methods: Methods = storage
  return await methods[kind](...args)
}
