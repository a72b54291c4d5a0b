// The queues of a worker: whose turn it is, and what leaves them unstarted.
import { describe, expect, it } from 'vitest'
import {
  ConcurrencyGroups,
  type ConcurrencyGroup,
} from '../../../runtime/core-worker/concurrency-groups.ts'
import type { Peer } from '../../../runtime/core-worker/peers.ts'
import type { PushedTask } from '../../../runtime/core-worker/pushed-task.ts'
import type { TaskTemplate } from '../../../runtime/protocol/peer-messages.ts'

function anOwner(congested: boolean) {
  const onDrained = new Map<object, () => void>()
  const whenDrained = (key: object, run: () => void): void => void onDrained.set(key, run)
  return { peer: { congested, whenDrained } as unknown as Peer, onDrained }
}

const aTask = (peer: Peer, seq: number): PushedTask => ({ peer, seq }) as PushedTask
const template = (concurrencyGroup?: string): TaskTemplate =>
  ({ name: 'read', concurrencyGroup }) as TaskTemplate

function groupsWith(tasks: readonly PushedTask[]) {
  const drained: ConcurrencyGroup[] = []
  const limits = new Map([
    ['', 1],
    ['io', 2],
  ])
  const groups = new ConcurrencyGroups(limits, (group) => drained.push(group))
  const group = groups.of(template())
  for (const task of tasks) group.queue.push(task)
  return { groups, group, drained }
}

describe('concurrency groups', () => {
  it('an owner that does not read its replies holds up nobody else, and goes on once it reads', () => {
    const slow = anOwner(true)
    const quick = anOwner(false)
    const { groups, group, drained } = groupsWith([
      aTask(slow.peer, 1),
      aTask(quick.peer, 7),
      aTask(quick.peer, 8),
    ])
    expect([groups.start(group)?.seq, groups.start(group)?.seq]).toEqual([7, 8])
    expect(groups.start(group)).toBeUndefined()
    expect(groups.runningCount).toBe(2)
    expect(slow.onDrained.size).toBe(1)
    slow.onDrained.get(group)?.()
    expect(drained).toEqual([group])
  })

  it('count what runs over all groups', () => {
    const { peer } = anOwner(false)
    const { groups, group } = groupsWith([aTask(peer, 1)])
    const io = groups.of(template('io'))
    io.queue.push(aTask(peer, 2))
    groups.start(group)
    groups.start(io)
    expect(groups.runningCount).toBe(2)
    groups.ended(io)
    expect([groups.runningCount, group.running, io.running]).toEqual([1, 1, 0])
  })

  it('give back what waits of one owner, and keep the order of the others', () => {
    const one = anOwner(false).peer
    const other = anOwner(false).peer
    const tasks = [aTask(one, 1), aTask(other, 1), aTask(one, 2), aTask(other, 2)]
    const { groups, group } = groupsWith(tasks)
    expect(groups.takeAll(one)).toEqual([tasks[0], tasks[2]])
    expect(groups.take(one, 2)).toBeUndefined()
    expect(groups.take(other, 2)).toBe(tasks[3])
    expect(groups.start(group)).toBe(tasks[1])
  })

  it('name the groups there are to a call that names another', () => {
    const { groups } = groupsWith([])
    expect(groups.of(template('gpu'))).toBe(groups.of(template()))
    expect(() => {
      groups.check(template('gpu'))
    }).toThrow("concurrency group 'gpu', which the actor does not declare; it has io")
  })
})
