// What is known of the jobs of one other node: it says so, is dead, or does not answer.
import { beforeEach, expect, it } from 'vitest'
import { NodeDiedError } from '../../../runtime/common/errors.ts'
import type { JobId } from '../../../runtime/common/ids.ts'
import { jobsOf } from '../../../runtime/raylet/cluster/live-jobs.ts'

const JOB = 'aaaa' as JobId

let answer: () => Promise<{ jobIds: JobId[] }>
let limits: number[]

beforeEach(() => {
  limits = []
})

const jobsAt = (nodeId: string): ReturnType<typeof jobsOf> => {
  const ask = (_nodeId: string, _type: string, _message: object, limitMs: number): unknown => {
    limits.push(limitMs)
    return answer()
  }
  const others = (): object[] => [{ nodeId: 'a1' }]
  return jobsOf({ ask, others } as never, nodeId)
}

it('a node that lives says which it has', async () => {
  answer = () => Promise.resolve({ jobIds: [JOB] })
  expect(await jobsAt('a1')).toEqual(new Set([JOB]))
})

it('one that does not answer in time may have any', async () => {
  answer = () => Promise.reject(new NodeDiedError('it does not answer'))
  expect(await jobsAt('a1')).toBeUndefined()
  expect(limits).toEqual([5_000])
})

it('one that is no member any more has none, and is not asked', async () => {
  answer = () => Promise.resolve({ jobIds: [JOB] })
  expect(await jobsAt('a2')).toEqual(new Set())
  expect(limits).toEqual([])
})
