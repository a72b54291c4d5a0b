// Bringing a core-worker up: listen for peers, say hello to the raylet, wire the parts.
// Called by the composition roots with the world's adapters; inline mode gives memory ones.
import type { Clock } from '../common/clock.ts'
import { toWire, fromWire } from '../common/error-wire.ts'
import { VirgaError } from '../common/errors.ts'
import type { Finalization } from '../common/finalization.ts'
import type { KnowsIntegers } from '../common/integer-arrays.ts'
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
import { extendCodec } from './registered-types.ts'
import type { Sources } from './function-sources.ts'
import type { ContextStorage } from './context.ts'
import { CoreWorker } from './core-worker.ts'
import { handleCodecs } from './handles.ts'
import { RayletLink, type NoticeHandlers } from './raylet-link.ts'
import { rayletNotices, type ExtraNotices } from './raylet-notices.ts'
import type { ObjectMemory } from './store-client.ts'

export interface StartDeps {
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  readonly hash: Hash
  readonly finalization: Finalization
  readonly knowsIntegers?: KnowsIntegers
  readonly context: ContextStorage
  stackView(): StackView
  openMemory(this: void, arena: Welcome['arena']): ObjectMemory
  /** The files of remote functions, for their hashes and names. */
  readonly sources: Sources
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

export type { OutputLine } from '../protocol/messages.ts'

export type { ExtraNotices }

interface Ready {
  worker: CoreWorker | undefined
  notices: NoticeHandlers | undefined
}

export async function startCoreWorker(
  deps: StartDeps,
  options: StartOptions,
  extra: (worker: CoreWorker) => ExtraNotices,
): Promise<CoreWorker> {
  const plainCodec = new ValueCodec()
  const early: (() => void)[] = []
  const ready: Ready = { worker: undefined, notices: undefined }
  const listener = await deps.transport.listen(options.address, (connection) => {
    // Accepted only once wired: nobody knows the address before the hello anyway.
    if (ready.worker !== undefined) ready.worker.peers.accept(connection)
    else early.push(() => ready.worker?.peers.accept(connection))
  })
  const raylet = new RayletLink(await deps.transport.connect(options.rayletAddress), {
    clock: deps.clock,
    codec: plainCodec,
  })
  raylet.start(lateHandlers(ready, early))
  const { address } = listener
  const welcome = await hello(raylet, { ...options, address }).catch(async (error: unknown) => {
    raylet.close() // who was refused keeps no cluster open
    await listener.close()
    throw error
  })
  const worker = new CoreWorker(
    {
      ...deps,
      raylet,
      plainCodec,
      memory: deps.openMemory(welcome.arena),
      valueCodec: (made) => valueCodecOf(made),
    },
    {
      workerId: options.workerId,
      address,
      pid: options.pid,
      mode: options.role === 'worker' ? 'worker' : 'driver',
      welcome,
      closeListener: () => listener.close(),
    },
  )
  ready.worker = worker
  ready.notices = { ...rayletNotices(worker), ...extra(worker) }
  for (const run of early.splice(0)) run()
  return worker
}

function hello(raylet: RayletLink, options: StartOptions): Promise<Welcome> {
  return raylet.request('hello', {
    magic: 'virga',
    protocolMin: PROTOCOL_VERSION,
    protocolMax: PROTOCOL_VERSION,
    role: options.role,
    workerId: options.workerId,
    pid: options.pid,
    address: options.address,
    ...(options.job === undefined ? {} : { job: options.job }),
  })
}

/** Notices that came with the welcome wait until there is a core-worker to take them. */
function lateHandlers(ready: Ready, early: (() => void)[]): NoticeHandlers {
  const handle = (type: keyof ClientNotices) => (message: never) => {
    const handlers = ready.notices
    if (handlers === undefined) {
      early.push(() => {
        ready.notices?.[type](message)
      })
    } else handlers[type](message)
  }
  return new Proxy({} as NoticeHandlers, { get: (_, type) => handle(type as keyof ClientNotices) })
}

function valueCodecOf(worker: CoreWorker): ValueCodec {
  const { finalization, knowsIntegers } = worker.deps
  const codec: ValueCodec = new ValueCodec(
    [
      ...handleCodecs(worker),
      {
        tag: TAG_ERROR,
        matches: (value) => value instanceof VirgaError,
        encode: (error) => codec.encode(toWire(error as VirgaError), 'error').toBytes(),
        decode: (bytes) => fromWire(codec.decode(bytes)),
      },
    ],
    { tenure: finalization.tenure?.bind(finalization), knowsIntegers },
  )
  extendCodec(codec)
  return codec
}

const TAG_ERROR = 9
