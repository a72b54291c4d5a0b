// Remote classes: remote, create, options, get. The handle of a new actor is there at once.
import { parseActorName } from '../runtime/common/call-options.ts'
import { withMore } from '../runtime/common/option-checks.ts'
import { parseActorOptions, refuseNameless, refuseNumReturns } from '../runtime/common/options.ts'
import { remoteClassOf } from '../runtime/common/remote-target.ts'
import { makeActor } from '../runtime/core-worker/actor-creation.ts'
import { actorTargetOf } from '../runtime/core-worker/actor-handle.ts'
import type { FunctionDescriptor } from '../runtime/core-worker/functions.ts'
import { findActor } from './actors.ts'
import { currentWorker } from './current.ts'
import { nameOf } from './shown-name.ts'

export function remoteClass(descriptor: FunctionDescriptor, options: object): object {
  const names = [...descriptor.methods.keys()]
  const calling = (): string => `${nameOf(descriptor)}.remote()`
  const spec = parseActorOptions(options, () => `options of ${nameOf(descriptor)}`, names)
  for (const [name, { kind }] of descriptor.methods) {
    if (kind === 'stream') refuseNumReturns(name, spec.methods[name]?.numReturns)
  }
  const make = (args: readonly unknown[]): object => {
    const worker = currentWorker(calling)
    refuseNameless(spec)
    return makeActor(worker, descriptor, spec, args)
  }
  const members = {
    remote: (...args: unknown[]) => make(args),
    create: async (...args: unknown[]) => {
      const handle = make(args)
      const { actors, blocking } = currentWorker('create()')
      const unblock = blocking.blockForOther()
      try {
        await actors.constructed(actorTargetOf(handle).info)
      } finally {
        unblock()
      }
      return handle
    },
    options: (more: unknown) =>
      remoteClass(
        descriptor,
        withMore(options, more, () => `${nameOf(descriptor)}.options()`),
      ),
    get: (name: string, o?: object) => findActor(parseActorName(name, o, 'get()')),
  }
  return remoteClassOf(() => nameOf(descriptor), members)
}
