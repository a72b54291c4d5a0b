// Item 10: a cluster of `virga start` serves several drivers, and every command looks into it.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { isAlive, startTimeOf } from '../../../runtime/common/session-file.ts'
import type { Running } from '../../support/running.ts'
import { until } from '../../support/waiting.ts'
import { readTrace } from '../../support/trace-format.ts'
import { fixture, Place, type Row } from './virga.ts'

let place: Place
let port = 0
let cluster: { address: string; pid: number; sessionDir: string }
beforeAll(async () => {
  place = new Place()
  port = await freePort()
  const started = await place.json(
    ...['start', '--num-cpus', '2', '--num-gpus', '1', '--resources', '{"slots": 1}'],
    ...['--labels', '{"disk": "ssd"}', '--port', String(port)],
    ...['--object-store-memory-bytes', '67108864'],
  )
  cluster = started as unknown as typeof cluster
})
afterAll(async () => {
  await place.virga('stop')
  place.remove()
})

interface Held {
  readonly release: () => Promise<string>
}

let holdCount = 0
const files = new Set<string>()
afterEach(() => {
  // Also when a test failed: the next one finds the cluster free.
  for (const file of files) writeFileSync(file, '')
  files.clear()
})

/** A driver that runs one task, has two waiting and two objects put, until it is released. */
async function hold(): Promise<Held> {
  const file = join(place.runtimeDir, `release-${String(holdCount++)}`)
  files.add(file)
  const driver: Running = place.node(fixture('hold.mts'), file)
  await until(() => driver.output.stdout.includes('holding on') || driver.child.exitCode !== null)
  return {
    release: async () => {
      writeFileSync(file, '')
      const { code, stdout, stderr } = await driver.ended
      if (code !== 0) throw new Error(`the driver ended with ${String(code)}: ${stderr}`)
      return stdout
    },
  }
}

const rowsOf = (answer: Record<string, unknown>, key = 'rows'): Row[] => answer[key] as Row[]

describe('virga start', () => {
  it('returns when the cluster answers, and says where it is', async () => {
    expect(cluster.address).toBe(`unix:${join(cluster.sessionDir, 'raylet.sock')}`)
    const status = (await place.json('status'))['cluster'] as Row
    expect(status).toMatchObject({ address: cluster.address, pid: cluster.pid, state: 'ALIVE' })
    expect(status['labels']).toEqual({ disk: 'ssd' })
  })

  it('refuses a second cluster, and says how to end the first', async () => {
    const { code, stderr } = await place.virga('start')
    expect(code).toBe(2)
    expect(stderr).toContain(`pid ${String(cluster.pid)}`)
    expect(stderr).toContain('virga stop')
  })

  it('serves several drivers at once, which find it by themselves and leave it running', async () => {
    const held = await hold()
    const drivers = [0, 7].map((code) => place.node(fixture('work.mts'), String(code)).ended)
    expect((await Promise.all(drivers)).map(({ code }) => code)).toEqual([0, 7])
    const jobs = rowsOf(await place.json('list', 'jobs'))
    expect(jobs.filter((job) => job['state'] === 'RUNNING')).toHaveLength(1)
    expect(jobs.filter((job) => job['state'] === 'FINISHED')).toHaveLength(2)
    expect(await held.release()).toContain('had its turn, had its turn')
  })

  it('says which options of a program are of a new cluster, and had no effect', async () => {
    const { code, stdout, stderr } = await place.node(fixture('joins.mts')).ended
    expect(code, stderr).toBe(0)
    expect(stdout).toBe('4\n')
    expect(stderr).toContain('VirgaWarning')
    expect(stderr).toContain(`${cluster.address}, so its numCpus, labels`)
  })

  it('is chosen by --address: its socket, or its port', async () => {
    for (const address of [cluster.address, `127.0.0.1:${String(port)}`, 'auto']) {
      const status = (await place.json('status', '--address', address))['cluster'] as Row
      expect(status['pid'], address).toBe(cluster.pid)
    }
  })
})

describe('virga status', () => {
  it('shows what is used of what there is, and names each waiting shape and why', async () => {
    const held = await hold()
    const status = await place.json('status')
    const resources = rowsOf(status, 'resources')
    const slots = resources.find((row) => row['name'] === 'slots')
    expect(slots).toEqual({ name: 'slots', total: 1, free: 0, used: 1 })
    expect(resources.find((row) => row['name'] === 'GPU')).toMatchObject({ total: 1, used: 0 })
    const [waiting, ...others] = rowsOf(status, 'waiting')
    expect(others).toEqual([])
    expect(waiting).toMatchObject({ name: 'waiter', kind: 'task', count: 2 })
    expect(waiting?.['why']).toContain('slots: 1, 0 free')
    const why = await place.virga('status', '--why')
    expect(why.code).toBe(0)
    expect(why.stdout).toMatch(/2 +task +waiter .*needs slots: 1, 0 free/)
    expect((await place.virga('status')).stdout).toContain('virga status --why says why')
    await held.release()
    expect(rowsOf(await place.json('status'), 'waiting')).toEqual([])
    expect((await place.virga('status')).stdout).toContain('Waiting nothing')
  })
})

describe('virga list, get and summary', () => {
  it('count exactly, whatever is shown of it', async () => {
    await place.node(fixture('work.mts')).ended
    const all = await place.json('list', 'tasks', '--limit', '100000')
    const total = all['total'] as number
    expect(rowsOf(all)).toHaveLength(total)
    expect(all['dropped']).toBe(0)
    const [node] = rowsOf(await place.json('list', 'nodes'))
    expect(new Set(rowsOf(all).map((row) => row['nodeId']))).toEqual(new Set([node?.['nodeId']]))
    const some = await place.json('list', 'tasks', '--limit', '3')
    expect(rowsOf(some)).toEqual(rowsOf(all).slice(-3))
    expect(some).toMatchObject({ shown: 3, matching: total, total })
    const text = (await place.virga('list', 'tasks', '--limit', '3')).stdout
    expect(text).toContain(`3 of ${total.toLocaleString('en-US')} tasks shown`)
  })

  it('filter by any column, and name the columns when there is no such one', async () => {
    const failed = await place.json('list', 'tasks', '--filter', 'state=FAILED')
    expect(rowsOf(failed).map((row) => row['name'])).toContain('fails')
    const others = ['--filter', 'state=FAILED', '--filter', 'name!=fails']
    expect(rowsOf(await place.json('list', 'tasks', ...others))).toEqual([])
    const wrong = await place.virga('list', 'tasks', '--filter', 'stat=FAILED')
    expect(wrong.code).toBe(2)
    expect(wrong.stderr).toContain('Did you mean state?')
    expect((await place.virga('list', 'tasks', '--filter', 'FAILED')).code).toBe(2)
  })

  it('know every kind, in the plural and in the singular', async () => {
    const held = await hold()
    const kinds = ['actors', 'workers', 'nodes', 'jobs', 'objects', 'placement-groups', 'tasks']
    for (const kind of kinds) {
      for (const name of [kind, kind.slice(0, -1)]) {
        expect((await place.json('list', name))['kind'], name).toBe(kind)
      }
      expect((await place.json('summary', kind))['kind']).toBe(kind)
    }
    await until(async () => {
      const { running, pending } = await place.json('list', 'tasks')
      return running === 1 && pending === 2
    })
    const { stdout } = await place.virga('list', 'tasks')
    expect(stdout).toContain('1 running and 2 waiting have no row until they end')
    expect(stdout).not.toContain('all there are')
    const workers = await place.json('list', 'workers', '--filter', 'state=LEASED')
    expect(rowsOf(workers).map((row) => row['name'])).toEqual(['hold'])
    await held.release()
  })

  it('get finds one by the start of its id, and refuses what is none or several', async () => {
    const [task] = rowsOf(await place.json('list', 'tasks', '--limit', '1'))
    const id = String(task?.['taskId'])
    expect(await place.json('get', 'task', id)).toEqual(task)
    expect(await place.json('get', 'tasks', id.slice(0, 20))).toEqual(task)
    expect((await place.virga('get', 'task', id.slice(0, 20))).stdout).toContain(id)
    expect((await place.virga('get', 'task', 'ffffffffffffffffffffff')).code).toBe(2)
    const several = await place.virga('get', 'task', '')
    expect(several.code).toBe(2)
    expect(several.stderr).toContain('give more of it')
  })

  it('summary counts tasks by function, also those that workers submitted', async () => {
    const before = countsOf(await place.json('summary', 'tasks'))
    await place.node(fixture('work.mts')).ended
    await until(async () => {
      const now = countsOf(await place.json('summary', 'tasks'))
      return (now['square']?.['done'] ?? 0) - (before['square']?.['done'] ?? 0) === 43
    })
    const now = countsOf(await place.json('summary', 'tasks'))
    const grown = (name: string, key: string): number =>
      (now[name]?.[key] ?? 0) - (before[name]?.[key] ?? 0)
    expect(grown('outer', 'done')).toBe(3)
    expect(grown('fails', 'failed')).toBe(2)
    expect(grown('Counter.inc', 'done')).toBe(5)
    expect(Object.values(now).map((counts) => counts['pending'])).toEqual(
      Object.values(now).map(() => 0),
    )
  })
})

function countsOf(summary: Record<string, unknown>): Record<string, Record<string, number>> {
  return Object.fromEntries(
    rowsOf(summary, 'groups').map((row) => [String(row['name']), row as Record<string, number>]),
  )
}

describe('virga memory', () => {
  it('shows the largest objects first, who made them, and the use of the store', async () => {
    const held = await hold()
    const answer = await place.json('memory')
    const rows = rowsOf(answer)
    expect(rows.map((row) => Number(row['sizeBytes']) > 3_000_000)).toEqual([true, false])
    expect(rows[0]?.['creator']).toMatch(/^driver \d+ \(hold\.mts\)$/)
    expect(rows[0]?.['state']).toBe('SEALED')
    const store = answer['store'] as Record<string, number>
    expect(store['usedBytes']).toBeGreaterThanOrEqual(4_000_000)
    expect(store['sizeBytes']).toBe(67_108_864)
    const text = (await place.virga('memory', '--limit', '1')).stdout
    expect(text).toContain('1 of 2 objects shown')
    await held.release()
    await until(async () => rowsOf(await place.json('memory')).length === 0)
  })
})

describe('virga timeline', () => {
  it('is a Chrome trace with every task once, and says that nothing is missing', async () => {
    await place.node(fixture('work.mts')).ended
    const listed = await place.json('list', 'tasks', '--limit', '100000')
    const file = join(place.runtimeDir, 'trace.json')
    const answer = await place.json('timeline', '--out', file)
    expect(answer).toEqual({ file, tasks: listed['total'], dropped: 0 })
    const trace = JSON.parse(readFileSync(file, 'utf8')) as { otherData: Row }
    const slices = readTrace(trace)
    expect(slices.length).toBeGreaterThan(10)
    expect(slices.map(({ args }) => args['taskId'])).toEqual(
      rowsOf(listed).map((row) => row['taskId']),
    )
    expect(trace.otherData).toEqual({ tasks: listed['total'], droppedTasks: 0 })
  })

  it('keeps calls that overlap apart, so that Perfetto drops none of them', async () => {
    await place.node(fixture('overlaps.mts')).ended
    const file = join(place.runtimeDir, 'overlaps.json')
    await place.json('timeline', '--out', file)
    const slices = readTrace(JSON.parse(readFileSync(file, 'utf8')))
    const calls = slices.filter(({ name }) => name === 'Sleeper.sleep')
    expect(calls).toHaveLength(12)
    expect(new Set(calls.map(({ tid }) => tid)).size).toBe(4) // as many as ran at once
    expect(slices.filter(({ name }) => name === 'square').length).toBeGreaterThanOrEqual(500)
  })
})

describe('virga top', () => {
  it('shows what each worker runs, and its CPU and memory, once when it is piped', async () => {
    const held = await hold()
    const workers = rowsOf(await place.json('top'), 'workers')
    const holding = workers.find((row) => row['name'] === 'hold')
    expect(holding?.['rssBytes']).toBeGreaterThan(20_000_000)
    expect(holding?.['cpuPercent']).toBeGreaterThanOrEqual(0)
    expect((await place.virga('top')).stdout).toMatch(
      new RegExp(`${String(holding?.['pid'])} .*hold`),
    )
    await held.release()
  })
})

describe('virga logs', () => {
  it('shows what the raylet and each worker have written', async () => {
    const held = await hold()
    const [worker] = rowsOf(await place.json('list', 'workers', '--filter', 'name=hold'))
    const id = String(worker?.['workerId'])
    expect((await place.virga('logs')).stdout).toContain(`worker-${id.slice(0, 8)}`)
    expect((await place.virga('logs', 'raylet')).stdout).toContain('"msg":"a job has ended"')
    for (const name of [id, id.slice(0, 8), `worker-${id.slice(0, 8)}`]) {
      expect((await place.virga('logs', name)).stdout, name).toBe('holding on\n')
    }
    const ofJob = await place.virga('logs', String(worker?.['jobId']))
    expect(ofJob.stdout).toContain('holding on')
    await held.release()
    await until(async () => {
      const workers = rowsOf(await place.json('list', 'workers'))
      return !workers.some((row) => row['workerId'] === id)
    })
    for (const what of [String(worker?.['jobId']), id]) {
      expect((await place.virga('logs', what)).stdout, what).toContain('holding on')
    }
  })

  it('follows a log until Ctrl-C', async () => {
    const held = await hold()
    const [worker] = rowsOf(await place.json('list', 'workers', '--filter', 'name=hold'))
    const follow = place.start('logs', '-f', String(worker?.['workerId']))
    await until(() => follow.output.stdout.includes('holding on'))
    expect(follow.child.exitCode).toBeNull()
    follow.child.kill('SIGINT')
    expect((await follow.ended).code).toBe(0)
    await held.release()
  })

  it('never takes what is typed for a path', async () => {
    const names = ['../node', '../../current', '/etc/passwd', 'raylet/../raylet', 'worker-..', '.*']
    for (const name of names) {
      const { code, stdout } = await place.virga('logs', name)
      expect(code, name).toBe(2)
      expect(stdout).toBe('')
    }
  })
})

describe('virga stop', () => {
  it('ends the cluster, and returns when nothing of it is left', async () => {
    const held = await hold()
    const workers = rowsOf(await place.json('list', 'workers')).map((row) => Number(row['pid']))
    const { code, stdout } = await place.virga('stop')
    expect(code).toBe(0)
    expect(stdout).toContain(`pid ${String(cluster.pid)}`)
    expect(place.left()).toEqual([])
    const alive = [cluster.pid, ...workers].filter((pid) => isAlive({ pid, startTime: '' }))
    expect(alive.filter((pid) => startTimeOf(pid) !== 'zombie')).toEqual([])
    expect((await place.virga('stop')).code).toBe(3)
    await expect(held.release()).rejects.toThrow('cluster')
  })
})
