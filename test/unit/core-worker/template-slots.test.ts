// Slots of templates: which a kind of task has at a peer, and when the peer is told.
import { expect, test } from 'vitest'
import { TEMPLATES_PER_PEER_MAX } from '../../../runtime/common/limits.ts'
import type { JobId } from '../../../runtime/common/ids.ts'
import type { TaskKind } from '../../../runtime/core-worker/task-kind.ts'
import { TemplateSlots } from '../../../runtime/core-worker/template-slots.ts'
import type { PeerNotices, TaskTemplate } from '../../../runtime/protocol/peer-messages.ts'

const aKind = (name: string): TaskKind => {
  const kind: Partial<TaskKind> = {
    kind: 'task',
    name,
    identity: () => ({ home: 'file:///app.ts', ordinal: 0, hash: '', name: 'f' }),
    jobId: () => 'job1' as JobId,
  }
  return kind as TaskKind
}

/** An owner's slots, and the templates as its peer knows them. */
function aPeer() {
  const slots = new TemplateSlots()
  const templates: TaskTemplate[] = []
  let toldCount = 0
  const notify = (_type: string, message: unknown): void => {
    const { slot, template } = message as PeerNotices['template']
    templates[slot] = template
    toldCount += 1
  }
  return {
    templates,
    toldCount: () => toldCount,
    /** The name under which the peer runs a task of this kind that is pushed now. */
    push: (kind: TaskKind) => templates[slots.slotOf({ notify }, kind)]?.name,
  }
}

test('a kind is told once, and so are kinds that are alike', () => {
  const peer = aPeer()
  const kind = aKind('a')
  expect([peer.push(kind), peer.push(kind), peer.push(aKind('a'))]).toEqual(['a', 'a', 'a'])
  expect(peer.toldCount()).toBe(1)
})

test('TS2: a name per task leaves no template per task; one that lost its slot is told again', () => {
  const peer = aPeer()
  const first = aKind('first')
  expect(peer.push(first)).toBe('first')
  for (let i = 0; i < 3 * TEMPLATES_PER_PEER_MAX; i += 1) {
    expect(peer.push(aKind(`task ${String(i)}`))).toBe(`task ${String(i)}`)
  }
  expect(peer.templates).toHaveLength(TEMPLATES_PER_PEER_MAX)
  expect(peer.push(first)).toBe('first')
  expect(peer.push(aKind('first'))).toBe('first')
})
