// Bringing a core-worker up: listen for peers, say hello to the raylet, wire the parts.
// Called by the composition roots with the world's adapters; inline mode gives memory ones.
import type { Clock } from '../common/clock.ts'
import { toWire, fromWire } from '../common/error-wire.ts'
import { VirgaError } from '../common/errors.ts'
import type { Finalization } from '../common/finalization.ts'
import type { WorkerId } from '../common/ids.ts'
import type { Hash, Random } from '../common/random.ts'
import type { StackView } from '../common/stack.ts'
import type { Transport } from '../protocol/connection.ts'
import {
  PROTOCOL_VERSION,
  type ClientNotices,
  type JobSpec,
  type Role,
  type Welcome,
} from '../protocol/messages.ts'
import { ValueCodec } from '../protocol/value-codec.ts'
import type { ContextStorage } from './context.ts'
import { CoreWorker } from './core-worker.ts'
import { handleCodecs } from './handles.ts'
import { RayletLink, type NoticeHandlers } from './raylet-link.ts'
import type { ObjectMemory } from './store-client.ts'

export interface StartDeps {
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly hash: Hash
  readonly finalization: Finalization
  readonly context: ContextStorage
  stackView(): StackView
  openMemory(arena: Welcome['arena']): ObjectMemory
  /** Handle codecs and types of upper layers (placement groups, queues, the user's types). */
  extendCodec?(codec: ValueCodec): void
}

export interface StartOptions {
  readonly role: Role
  readonly rayletAddress: string
  readonly workerId: WorkerId
  /** Where this process listens for peers. */
  readonly address: string
  readonly pid: number
  readonly job?: JobSpec
}

/** Notices beside those of the core-worker itself: what workers and drivers add. */
export type ExtraNotices = Pick<
  NoticeHandlers,
  'startActor' | 'assigned' | 'exit' | 'output' | 'workerDied'
>

export async function startCoreWorker(
  deps: StartDeps,
  options: StartOptions,
  extra: (worker: CoreWorker) => ExtraNotices,
): Promise<CoreWorker> {
  const plainCodec = new ValueCodec()
  const early: (() => void)[] = []
  let worker: CoreWorker | undefined
  let notices: NoticeHandlers | undefined
  const listener = await deps.transport.listen(options.address, (connection) => {
    // Accepted only once wired: nobody knows the address before the hello anyway.
    if (worker !== undefined) worker.peers.accept(connection)
    else early.push(() => worker?.peers.accept(connection))
  })
  const raylet = new RayletLink(await deps.transport.connect(options.rayletAddress), {
    clock: deps.clock,
    codec: plainCodec,
  })
  raylet.start(lateHandlers(() => notices, early))
  const welcome = await raylet.request('hello', {
    magic: 'virga',
    protocolMin: PROTOCOL_VERSION,
    protocolMax: PROTOCOL_VERSION,
    role: options.role,
    workerId: options.workerId,
    pid: options.pid,
    address: options.address,
    ...(options.job === undefined ? {} : { job: options.job }),
  })
  worker = new CoreWorker(
    {
      ...deps,
      raylet,
      plainCodec,
      memory: deps.openMemory(welcome.arena),
      valueCodec: (made) => valueCodecOf(made, deps),
    },
    {
      workerId: options.workerId,
      address: options.address,
      pid: options.pid,
      mode: options.role === 'worker' ? 'worker' : 'driver',
      welcome,
      closeListener: () => listener.close(),
    },
  )
  notices = { ...worker.notices, ...extra(worker) }
  for (const run of early.splice(0)) run()
  return worker
}

/** Notices that came with the welcome wait until there is a core-worker to take them. */
function lateHandlers(
  current: () => NoticeHandlers | undefined,
  early: (() => void)[],
): NoticeHandlers {
  const handle = (type: keyof ClientNotices) => (message: never) => {
    const handlers = current()
    if (handlers === undefined) {
      early.push(() => {
        current()?.[type](message)
      })
    } else handlers[type](message)
  }
  return new Proxy({} as NoticeHandlers, { get: (_, type) => handle(type as keyof ClientNotices) })
}

function valueCodecOf(worker: CoreWorker, deps: StartDeps): ValueCodec {
  const codec = new ValueCodec([
    ...handleCodecs(worker),
    {
      tag: TAG_ERROR,
      matches: (value) => value instanceof VirgaError,
      encode: (error) => {
        const encoded = codec.encode(toWire(error as VirgaError), 'error')
        const bytes = new Uint8Array(encoded.sizeBytes)
        encoded.writeTo(bytes)
        return bytes
      },
      decode: (bytes) => fromWire(codec.decode(bytes)),
    },
  ])
  deps.extendCodec?.(codec)
  return codec
}

const TAG_ERROR = 9
