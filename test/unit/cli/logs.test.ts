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

it('what other commands print of the id of a worker, or of its log, names it, or all it may be', async () => {
  const nodes = ['aabbccddeeff00112233', 'aabbccff0011', '99bbccddeeff']
  const logs = nodes.flatMap((nodeId) =>
    ['00000001', '00000002'].map((number): NodeLog => {
      const name = `worker-${number}-${nodeId.slice(0, 8)}`
      return {
        sessionDir: nodeId,
        file: '',
        job: '06cfb93a',
        name,
        key: number + nodeId.slice(0, 16),
      }
    }),
  )
  const of = async (what: string): Promise<string[]> =>
    (await chosen(client, logs, what)).map(({ sessionDir }) => sessionDir)
  for (const what of [
    ...['00000001aabbccdd', '00000001aabbccddeeff00110001', '00000001aabbccd'],
    ...['worker-00000001-aabbccdd', 'worker-00000001-aabbccd', '00000001-AABBCCDD'],
  ]) {
    expect(await of(what), what).toEqual([nodes[0]])
  }
  for (const what of ['00000001', 'worker-00000001', 'worker-00000001-aabb', 'worker-']) {
    await expect(of(what), what).rejects.toThrow(
      `several logs start with '${what}', give more of the id`,
    )
  }
  await expect(of('worker-00000003')).rejects.toThrow("no log of 'worker-00000003'")
})

it('of hundreds of logs the newest few are named, and how many others there are', async () => {
  await expect(chosen(client, ofWorkers, 'nothing')).rejects.toThrow(
    /^no log of 'nothing': there are worker-00000292, .*worker-00000299 and 292 older ones, see virga logs$/,
  )
})
