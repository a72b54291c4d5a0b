// Which actors of a job outlive its driver, by who made them.
import { expect, it } from 'vitest'
import type { WorkerId } from '../../../runtime/common/ids.ts'
import type { Actor } from '../../../runtime/raylet/actors/actor-state.ts'
import { outlivesDriver } from '../../../runtime/raylet/actors/of-detached.ts'
import type { RayletState } from '../../../runtime/raylet/state.ts'

const madeBy = (owner: string, detached = false): Actor =>
  ({ spec: { owner: owner as WorkerId, detached } }) as Actor

const service = madeBy('driver', true)
const plain = madeBy('driver')
/** Workers by what they run. */
const leases: Readonly<Record<string, unknown>> = {
  'of the service': { actor: service },
  'of its child': { actor: madeBy('of the service') },
  'of its task': { class: { client: 'of the service' } },
  'of a plain actor': { actor: plain },
  "of the driver's task": { class: { client: 'driver' } },
  idle: undefined,
}
const state = {
  clients: new Map([
    ['driver', {}],
    ['on another node', { link: {} }],
  ]),
  workers: new Map(Object.entries(leases).map(([id, lease]) => [id, { lease }])),
} as unknown as RayletState

it.each([
  ['of the service', true],
  ['of its child', true],
  ['of its task', true],
  ['on another node', true],
  ['driver', false],
  ['of a plain actor', false],
  ["of the driver's task", false],
  ['idle', false],
  ['gone', false],
])('of one that was made by a process %s: %s', (owner, outlives) => {
  expect(outlivesDriver(state, madeBy(owner))).toBe(outlives)
})

it('a detached one does', () => {
  expect(outlivesDriver(state, service)).toBe(true)
})
