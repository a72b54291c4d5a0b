// How the end of a worker's process is told: by what it said last.
import { expect, test } from 'vitest'
import { aBusyNode } from './brain.ts'

test('F64: an abort with the words of a full heap is an out-of-memory, any other a crash', () => {
  const cases = [
    {
      signal: 'SIGABRT',
      code: null,
      words: 'FATAL ERROR: JavaScript heap out of memory',
      is: 'MEMORY_LIMIT',
    },
    {
      signal: null,
      code: 134,
      words: 'FATAL ERROR: JavaScript heap out of memory',
      is: 'MEMORY_LIMIT',
    },
    { signal: 'SIGABRT', code: null, words: 'assertion failed', is: 'CRASHED' },
    { signal: null, code: 1, words: 'Error: heap out of memory', is: 'CRASHED' },
  ]
  for (const { signal, code, words, is } of cases) {
    const brain = aBusyNode({ resources: { CPU: 1 } })
    brain.want('driver1', 0, 1, {})
    const [broken] = brain.exit('w1', {
      signal,
      code,
      stderrTail: ['<--- Last few GCs --->', words],
    })
    expect(broken).toMatchObject({ type: 'leaseBroken', message: { exit: { cause: is } } })
  }
})
