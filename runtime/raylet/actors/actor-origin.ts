// Where an actor comes from, as every node needs to know it that hosts the actor or starts it
// again: its spec, its job, and who made it. It travels between raylets and lies in the actor's row.
import { fromHex, type NodeId, type WorkerId } from '../../common/ids.ts'
import { ByteWriter } from '../../protocol/byte-writer.ts'
import type { ActorInfo, ActorSpec } from '../../protocol/actor-messages.ts'
import type { JobSpec } from '../../protocol/messages.ts'
import type { ValueCodec } from '../../protocol/value-codec.ts'

export interface ActorOrigin {
  /** The node, in hex, of the process that made it. */
  readonly homeId: string
  /** Where that process is reached. */
  readonly ownerAddress: string
  readonly job: JobSpec
  readonly driver: WorkerId
  /** The node of the driver, in hex. */
  readonly drivenAt: string
}

export interface MadeActor {
  readonly spec: ActorSpec
  readonly origin: ActorOrigin
}

/** For its row. */
export function encodeMade(codec: ValueCodec, made: MadeActor): Uint8Array {
  const writer = new ByteWriter()
  codec.encodeInto(writer, made, 'actor')
  return writer.take()
}

export const decodeMade = (codec: ValueCodec, bytes: Uint8Array): MadeActor =>
  codec.decode(bytes) as MadeActor

/** What everybody needs to make a handle of it. */
export function infoOfMade({ spec, origin }: MadeActor): ActorInfo {
  const { actorId, className, methods, maxPendingCalls, maxTaskRetries, detached, owner } = spec
  return {
    ...{ actorId, className, methods, maxPendingCalls, maxTaskRetries },
    owner: detached ? undefined : owner,
    ownerAddress: detached ? undefined : origin.ownerAddress,
    nodeId: fromHex(origin.homeId) as NodeId,
  }
}
