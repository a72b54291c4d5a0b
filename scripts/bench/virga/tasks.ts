// The remote functions of the bench: a module of its own, so that a worker imports nothing else.
import { remote } from 'virga'
import { LIST_LENGTH, RETURN_COUNT } from '../sizes.ts'

/** Ray's returns b"ok"; the small value of JavaScript is a string. */
export const smallValue = remote(() => 'ok')

export const countArguments = remote((...lists: number[][]) =>
  lists.reduce((sum, list) => sum + list.length, 0),
)

export const manyReturns = remote((): number[][] => {
  const list = Array.from({ length: LIST_LENGTH }, (_, i) => i)
  return new Array<number[]>(RETURN_COUNT).fill(list)
}).options({ numReturns: RETURN_COUNT })

class SmallActor {
  smallValue(): string {
    return 'ok'
  }
}
/** Ray's Actor has num_cpus=0; so has every actor of Virga once it runs. */
export const Actor = remote(SmallActor, { numCpus: 0 })
