// While a simulation runs, nothing of the engine may reach past its ports: the world's clock and
// randomness throw when code of runtime/, sdk/ or the workload calls them. Others in this process
// (the test runner) may go on.

const TRAPPED = /\/(?:runtime|sdk)\/|\/test\/sim\/(?:workload|program)/
/** Their job is to be the world. */
const ALLOWED = /-system\.ts/

export class TrapError extends Error {}

type Undo = () => void

export function setTraps(): Undo {
  const undo = [
    trap(globalThis, 'setTimeout'),
    trap(globalThis, 'setInterval'),
    trap(globalThis, 'setImmediate'),
    trap(globalThis, 'queueMicrotask'),
    trap(Date, 'now'),
    trap(performance, 'now'),
    trap(Math, 'random'),
  ]
  return () => {
    for (const each of undo) each()
  }
}

function trap(owner: object, name: string): Undo {
  const before = Object.getOwnPropertyDescriptor(owner, name)
  const real = Reflect.get(owner, name) as (...args: unknown[]) => unknown
  const trapped = function (this: unknown, ...args: unknown[]): unknown {
    const caller = (new Error('trap').stack ?? '').split('\n')[2] ?? ''
    if (TRAPPED.test(caller) && !ALLOWED.test(caller)) {
      throw new TrapError(`${name} was called past the ports, ${caller.trim()}`)
    }
    return Reflect.apply(real, this === undefined ? owner : this, args)
  }
  Object.defineProperty(owner, name, { value: trapped, configurable: true, writable: true })
  return () => {
    if (before === undefined) Reflect.deleteProperty(owner, name)
    else Object.defineProperty(owner, name, before)
  }
}
