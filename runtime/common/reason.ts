// Why work is refused, said of no work in particular: `can never run here: needs GPU: 1, …`. All the
// tasks of a scheduling class hear the same reason, whatever each is called; whoever tells one puts
// its name in front.
import { fromWire, toWire } from './error-wire.ts'
import type { VirgaError } from './virga-error.ts'

/** The error of one piece of work: `train can never run here: needs GPU: 1, …`. */
export function reasonFor(name: string, reason: VirgaError): VirgaError {
  const wire = toWire(reason)
  const message = `${name} ${wire.message}`
  return fromWire({ ...wire, message, stack: wire.stack.replace(wire.message, () => message) })
}
