// How the end of a worker's process is told: by what it said last.
import { expect, test } from 'vitest'
import type { ActorId } from '../../../runtime/common/ids.ts'
import { aBusyNode, aClass, Brain } from './brain.ts'

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

test('a working directory that is not there is told at the first start, to tasks and actors', () => {
  const brain = new Brain({ resources: { CPU: 4 }, prestart: 0 })
  brain.driver('driver1', 'job1')
  const env = { envVars: {}, workingDir: '/nowhere' }
  brain.want('driver1', 0, 1, { env })
  brain.createActor('driver1', { actorId: 'actor1' as ActorId, scheduling: aClass({ env }) })
  const exit = { workerId: brain.id('w1'), pid: 0, code: null, signal: null, peakRssBytes: 0 }
  const effects = brain.send({
    kind: 'workerExited',
    exit: { ...exit, stderrTail: [] },
    missingDir: '/nowhere',
  })
  const refused = effects.find((each) => each.kind === 'notify' && each.type === 'classRefused')
  const error = { code: 'ERR_INVALID_ENV', data: { name: 'workingDir', path: '/nowhere' } }
  expect(refused).toMatchObject({ message: { classId: 0, error } })
  expect(brain.state.actors.get('actor1' as ActorId)).toMatchObject({ phase: 'DEAD', error })
})

test('nothing is left of a job that has ended, though a worker of it could not start', () => {
  const brain = new Brain({ resources: { CPU: 1 } })
  brain.driver('driver1', 'job1')
  brain.want('driver1', 0, 1, {})
  brain.exit('w1', { code: 1, signal: null })
  brain.close('driver1')
  brain.exit('w2')
  const kept = Object.entries(brain.state).filter(
    ([, each]) => each instanceof Map && each.size > 0,
  )
  expect(kept).toEqual([])
})
