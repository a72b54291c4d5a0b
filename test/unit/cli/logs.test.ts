// What `virga logs` says of a log that is not there.
import { expect, it } from 'vitest'
import { chosen, type NodeLog } from '../../../cli/logs.ts'
import type { RayletClient } from '../../../cli/raylet-client.ts'

const client = { state: () => Promise.resolve({ rows: [], dropped: 0 }) } as unknown as RayletClient

const ofWorkers = Array.from({ length: 300 }, (_, i): NodeLog => {
  const file = `worker-${String(i).padStart(8, '0')}`
  const job = i < 290 ? '06cfb93a' : `06cfb9${String(i)}`
  return { sessionDir: '', file, job, name: file, key: `${file.slice('worker-'.length)}abcd` }
})

it('a raylet that has written nothing is told as such, without the names of workers', async () => {
  const told = chosen(client, ofWorkers, 'raylet')
  await expect(told).rejects.toThrow('the raylets of this cluster have written nothing yet')
  await expect(told).rejects.not.toThrow('worker-')
})

it('all logs of a job are found by the start of its id, long after its end', async () => {
  const of = (job: string): Promise<NodeLog[]> => chosen(client, ofWorkers, job)
  expect(await of('06cfb93a')).toHaveLength(290)
  expect((await of('06cfb9299')).map(({ name }) => name)).toEqual(['worker-00000299'])
  await expect(of('06cf')).rejects.toThrow("several jobs start with '06cf', give more of the id")
  await expect(of('ff')).rejects.toThrow("no log of 'ff'")
})

it('of hundreds of logs the newest few are named, and how many others there are', async () => {
  await expect(chosen(client, ofWorkers, 'nothing')).rejects.toThrow(
    /^no log of 'nothing': there are worker-00000292, .*worker-00000299 and 292 older ones, see virga logs$/,
  )
})
