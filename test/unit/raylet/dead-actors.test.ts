// Actors that have died are remembered, the newest whole, and never beyond a cap.
import { expect, test } from 'vitest'
import type { ActorId, WorkerId } from '../../../runtime/common/ids.ts'
import { RecentSet } from '../../../runtime/common/recent-set.ts'
import type { ActorView } from '../../../runtime/protocol/actor-messages.ts'
import type { RayletState } from '../../../runtime/raylet/state.ts'
import { step } from '../../../runtime/raylet/step.ts'
import { aBusyNode, anActor } from './brain.ts'

/** Of thousands in a node; the rule is the same. */
const KEPT = 20

const client = 'driver1' as WorkerId
const actor = (index: number): ActorId => `actor${String(index)}` as ActorId

/** Refused at once: an actor of a job that nobody knows dies as it is made. */
function die(state: RayletState, actorId: ActorId): void {
  const spec = anActor({ actorId, jobId: 'none' as never, args: new Uint8Array(9) })
  step(state, { kind: 'createActor', client, request: 1, spec, nowMs: 0 })
}

function view(state: RayletState, actorId: ActorId): ActorView | undefined {
  const effects = step(state, { kind: 'watchActor', client, request: 1, actorId, nowMs: 0 })
  return effects[0]?.kind === 'answer' ? (effects[0].value as ActorView) : undefined
}

test('the newest dead actors are kept whole but for their arguments, those before by id', () => {
  const state = { ...aBusyNode().state, deadActors: new RecentSet<ActorId>(KEPT) }
  for (let index = 0; index < KEPT + 5; index += 1) die(state, actor(index))
  expect(state.actors.size).toBe(KEPT)
  expect(state.forgottenActors.size).toBe(5)
  expect(view(state, actor(4))?.error?.message).toContain('died long ago')
  expect(view(state, actor(5))?.error?.message).toContain('the job of this actor has ended')
  expect(view(state, actor(KEPT + 5))?.phase).toBe('DEPENDENCIES_UNREADY')
  expect(state.actors.get(actor(5))?.spec.args).toHaveLength(0)
})
