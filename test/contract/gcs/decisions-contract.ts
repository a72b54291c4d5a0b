// What the tables promise whatever lies below: actors and names, jobs, owners, demand, locations.
// Every decision is made once, also when answers are lost and when many want to make it.
import { beforeEach, describe, expect, test } from 'vitest'
import {
  actorAlive,
  actorDead,
  claimRestart,
  killUnmade,
  lookUpActor,
  readActor,
  readActors,
  refuseActor,
  registerActor,
  type NewActor,
} from '../../../runtime/gcs/actors.ts'
import {
  claimGroup,
  decideGroup,
  readGroup,
  registerGroup,
  removeGroup,
  type GroupRow,
} from '../../../runtime/gcs/groups.ts'
import { SHAPES_MAX, readDemand, tellDemand } from '../../../runtime/gcs/demand.ts'
import {
  claimJob,
  endJob,
  pendingJobs,
  readJob,
  readJobs,
  submitJob,
} from '../../../runtime/gcs/jobs.ts'
import { claimName, findName, releaseName } from '../../../runtime/gcs/names.ts'
import { findLocations, tellLocations } from '../../../runtime/gcs/object-locations.ts'
import { adopt, readAdoption } from '../../../runtime/gcs/owners.ts'
import type { Storage } from '../../../runtime/gcs/storage.ts'

let runs = 0
const AT = { path: 's3://x', offset: 0, checksum: 7 }

export function decisionsContract(name: string, make: () => Storage): void {
  describe(`the tables on ${name}`, () => {
    let storage: Storage
    /** Of this test alone: rows of others may be there. */
    let own = ''
    beforeEach(() => {
      storage = make()
      own = (runs++).toString(16).padStart(4, '0')
    })

    const anActor = (id: string, fields: Partial<NewActor> = {}): NewActor => ({
      actorId: `${own}${id.padEnd(20, '0')}`,
      owner: 'dd',
      name: { namespace: own, name: 'counter' },
      detached: false,
      maxRestarts: 2,
      spec: Uint8Array.from([1, 2, 3]),
      nodeId: 'n1',
      epoch: 1,
      ...fields,
    })
    const first = ({ actorId, nodeId, epoch }: NewActor) => {
      return { actorId, incarnation: 0, nodeId, epoch }
    }

    describe('placement groups', () => {
      const aGroup = (fields: Partial<GroupRow> = {}): GroupRow => ({
        ...{ groupId: `${own}00000000000000000000`, jobId: '00000000', name: 'grp' },
        ...{ detached: true, strategy: 'SPREAD', bundles: [{ CPU: 10_000 }, { GPU: 5_000 }] },
        ...{ state: 'PENDING', nodeId: 'n1', epoch: 1, term: 0, attempt: 0, places: [null, null] },
        ...fields,
      })
      const places = [{ nodeId: 'n1', attempt: 1 }, null]
      const decision = { state: 'RESCHEDULING', attempt: 1, places } as const

      test('GP1: what its coordinator decides is read by all; of those that take over one wins', async () => {
        const group = aGroup()
        await registerGroup(storage, group)
        await registerGroup(storage, group)
        expect(await decideGroup(storage, group, decision)).toBe(true)
        const seen = await readGroup(storage, group.groupId)
        expect(seen).toEqual({ ...group, ...decision })
        if (seen === undefined) return
        const claims = await Promise.all(
          ['n2', 'n3'].map((nodeId) => claimGroup(storage, seen, { nodeId, epoch: 4 })),
        )
        const [taken, ...others] = claims.filter((row) => row !== undefined)
        expect(others).toEqual([])
        expect(taken).toMatchObject({ term: 1, epoch: 4, places })
        expect(await decideGroup(storage, group, decision)).toBe(false)
        expect(await readGroup(storage, group.groupId)).toEqual(taken)
      })

      test('GP2: one that was removed is not made again, nor taken over; another is left', async () => {
        const group = aGroup()
        await registerGroup(storage, group)
        await removeGroup(storage, { ...group, epoch: 2 }, 9)
        const seen = await readGroup(storage, group.groupId)
        expect(seen).toEqual(group)
        await removeGroup(storage, group, 9)
        await removeGroup(storage, group, 9)
        expect(await readGroup(storage, group.groupId)).toBeUndefined()
        expect(await decideGroup(storage, group, decision)).toBe(false)
        expect(await claimGroup(storage, group, { nodeId: 'n2', epoch: 1 })).toBeUndefined()
        expect(await readGroup(storage, group.groupId)).toBeUndefined()
      })
    })

    describe('actors', () => {
      test('AC2: one transaction makes actor and name; a second actor of that name is refused', async () => {
        const [a, b] = [anActor('a'), anActor('b')]
        expect(await registerActor(storage, a, 5)).toBeUndefined()
        expect(await registerActor(storage, b, 6)).toEqual({
          actorId: a.actorId,
          owner: 'dd',
          sinceMs: 5,
          nodeId: 'n1',
          epoch: 1,
        })
        expect(await readActor(storage, b.actorId)).toBeUndefined()
        expect(await registerActor(storage, a, 7)).toBeUndefined() // sent again
        expect(await readActor(storage, a.actorId)).toMatchObject({
          ...a,
          state: 'PENDING_CREATION',
          incarnation: 0,
        })
      })

      test('AC2: of many that race for a name, one gets it', async () => {
        const racers = ['a', 'b', 'c', 'd'].map((id) => anActor(id))
        const outcomes = await Promise.all(racers.map((actor) => registerActor(storage, actor, 5)))
        const winners = racers.filter((_, index) => outcomes[index] === undefined)
        expect(winners).toHaveLength(1)
        const name = { namespace: own, name: 'counter' }
        expect((await findName(storage, name))?.actorId).toBe(winners[0]?.actorId)
      })

      test('arrows 2 and 3: alive, restarted elsewhere; the old holder is refused', async () => {
        const actor = anActor('a')
        await registerActor(storage, actor, 5)
        expect(await actorAlive(storage, first(actor), 'tcp://n1')).toBe(true)
        expect(await actorAlive(storage, first(actor), 'tcp://n1')).toBe(true) // sent again
        const next = await claimRestart(storage, first(actor), { nodeId: 'n2', epoch: 4 })
        expect(next).toEqual({ actorId: actor.actorId, incarnation: 1, nodeId: 'n2', epoch: 4 })
        expect(await actorAlive(storage, first(actor), 'tcp://n1')).toBe(false)
        expect(await actorDead(storage, first(actor), 'stale', 9)).toBe(false)
        if (next === undefined) throw new Error('no next life')
        expect(await actorAlive(storage, next, 'tcp://n2')).toBe(true)
        expect(await readActor(storage, actor.actorId)).toMatchObject({
          state: 'ALIVE',
          incarnation: 1,
          address: 'tcp://n2',
        })
      })

      test('AC1, I6: of many nodes that want to restart an actor, one takes the incarnation', async () => {
        const actor = anActor('a')
        await registerActor(storage, actor, 5)
        const claims = ['n2', 'n3', 'n4', 'n5'].map((nodeId) =>
          claimRestart(storage, first(actor), { nodeId, epoch: 1 }),
        )
        const lives = (await Promise.all(claims)).filter((life) => life !== undefined)
        expect(lives).toHaveLength(1)
        expect(await readActor(storage, actor.actorId)).toMatchObject({ ...lives[0] })
      })

      test("a job's actors are found, those of others are not", async () => {
        const ids = ['a', 'b', 'c'].map((id) => `${id.repeat(16)}${own}0001`)
        const other = `${'d'.repeat(16)}${own}0002`
        for (const actorId of [...ids, other]) {
          await registerActor(storage, anActor('', { actorId, name: null }), 5)
        }
        const found = await readActors(storage, `${own}0001`)
        expect(new Set(found.map(({ actorId }) => actorId))).toEqual(new Set(ids))
      })

      test('AC5: one that was killed before it was made never comes to be, named or not', async () => {
        for (const actor of [anActor('a'), anActor('b', { name: null })]) {
          expect(await killUnmade(storage, actor.actorId, 4)).toBe(true)
          expect(await killUnmade(storage, actor.actorId, 4)).toBe(true) // sent again
          expect(await registerActor(storage, actor, 5)).toBe('KILLED')
          expect(await lookUpActor(storage, actor.actorId)).toBe('KILLED')
          expect(await readActor(storage, actor.actorId)).toBeUndefined()
        }
        const made = anActor('c')
        expect(await registerActor(storage, made, 5)).toBeUndefined() // its name was not taken
        expect(await killUnmade(storage, made.actorId, 6)).toBe(false)
        expect(await lookUpActor(storage, made.actorId)).toMatchObject({
          state: 'PENDING_CREATION',
        })
      })

      test('AC5: nor one whose name was refused to it before it was killed', async () => {
        const actor = anActor('a')
        await refuseActor(storage, actor.actorId, 4)
        expect(await killUnmade(storage, actor.actorId, 5)).toBe(true)
        await refuseActor(storage, actor.actorId, 6)
        expect(await registerActor(storage, actor, 7)).toBe('KILLED')
      })

      test('restarts end at their maximum', async () => {
        const actor = anActor('a', { name: null, maxRestarts: 1 })
        await registerActor(storage, actor, 5)
        const by = { nodeId: 'n2', epoch: 1 }
        const second = await claimRestart(storage, first(actor), by)
        expect(second?.incarnation).toBe(1)
        if (second === undefined) throw new Error('no second life')
        expect(await claimRestart(storage, second, by)).toBeUndefined()
      })

      test('arrow 4: the dead one is final, and its name is free for another', async () => {
        const [a, b] = [anActor('a'), anActor('b')]
        await registerActor(storage, a, 5)
        expect(await actorDead(storage, first(a), 'killed', 9)).toBe(true)
        expect(await actorDead(storage, first(a), 'again', 9)).toBe(true)
        expect(await actorAlive(storage, first(a), 'tcp://n1')).toBe(false)
        expect(await claimRestart(storage, first(a), { nodeId: 'n2', epoch: 1 })).toBeUndefined()
        expect(await readActor(storage, a.actorId)).toMatchObject({
          state: 'DEAD',
          death: 'killed',
        })
        expect(await registerActor(storage, b, 6)).toBeUndefined()
      })
    })

    test('names alone: the first claim wins, its holder alone releases it', async () => {
      const key = { namespace: own, name: 'lock' }
      const row = (actorId: string) => ({
        actorId,
        owner: '0a',
        sinceMs: 5,
        nodeId: 'n1',
        epoch: 1,
      })
      expect(await claimName(storage, key, row('a1'))).toBeUndefined()
      expect(await claimName(storage, key, row('b2'))).toEqual(row('a1'))
      await releaseName(storage, key, 'b2')
      expect(await findName(storage, key)).toEqual(row('a1'))
      await releaseName(storage, key, 'a1')
      expect(await findName(storage, key)).toBeUndefined()
    })

    describe('jobs', () => {
      const job = (id: string) => ({
        submissionId: `${own}-${id}`,
        request: { entry: 'app.ts' },
        submittedAtMs: 5,
      })

      test('JB1, B39, F72: a submission that is sent again is the first one', async () => {
        const storm = Array.from({ length: 5 }, () => submitJob(storage, job('a')))
        const [submitted, ...repeated] = await Promise.all(storm)
        for (const again of repeated) expect(again).toEqual(submitted)
        expect(submitted).toMatchObject({ state: 'PENDING', attempt: 0 })
        const again = { ...job('a'), request: { entry: 'other.ts' } }
        expect(await submitJob(storage, again)).toEqual(submitted)
        expect(await pendingJobs(storage, 1000)).toContain(`${own}-a`)
      })

      test('JB2: of many runners one claims it, and it alone ends it', async () => {
        const seen = await submitJob(storage, job('a'))
        const claims = await Promise.all(
          ['n1', 'n2', 'n3'].map((runner) => claimJob(storage, seen, runner)),
        )
        const [claimed] = claims.filter((claim) => claim !== undefined)
        expect(claims.filter((claim) => claim !== undefined)).toHaveLength(1)
        expect(await pendingJobs(storage, 1000)).not.toContain(`${own}-a`)
        if (claimed === undefined) throw new Error('nobody claimed it')
        // Its runner dies; another one takes the next attempt.
        const second = await claimJob(storage, claimed, 'n9')
        expect(second).toMatchObject({ attempt: 2, runner: 'n9', state: 'RUNNING' })
        const end = { state: 'SUCCEEDED', message: '' } as const
        expect(await endJob(storage, claimed, end)).toBeUndefined()
        if (second === undefined) throw new Error('nobody claimed it again')
        expect(await endJob(storage, second, end)).toMatchObject({ state: 'SUCCEEDED' })
        const late = { state: 'FAILED', message: 'late' } as const
        expect(await endJob(storage, second, late)).toMatchObject({ state: 'SUCCEEDED' })
        expect(await claimJob(storage, second, 'n1')).toBeUndefined()
        expect((await readJob(storage, `${own}-a`))?.state).toBe('SUCCEEDED')
      })

      test('a pending job is stopped without a runner; all are listed page by page', async () => {
        for (const id of ['a', 'b', 'c']) await submitJob(storage, job(id))
        const stop = { state: 'STOPPED', message: 'by the user' } as const
        await endJob(storage, { submissionId: `${own}-b`, attempt: 0 }, stop)
        const after = `${own}-`
        const states = (await readJobs(storage, { after, limit: 3 })).map(({ state }) => state)
        expect(states).toEqual(['PENDING', 'STOPPED', 'PENDING'])
        expect(await pendingJobs(storage, 1000)).not.toContain(`${own}-b`)
      })
    })

    test('AO1, AO2: of many that adopt, one wins each epoch, and the others learn who', async () => {
      const owner = `owner-${own}`
      const by = (adopter: string) => ({ adopter, address: `tcp://${adopter}` })
      const wanted = ['w1', 'w2', 'w3'].map((id) => adopt(storage, owner, by(id), undefined))
      const adopted = await Promise.all(wanted)
      expect(new Set(adopted.map(({ adopter }) => adopter)).size).toBe(1)
      const [winner] = adopted
      expect(winner?.epoch).toBe(1)
      const next = await adopt(storage, owner, by('w9'), winner)
      expect(next).toEqual({ ...by('w9'), epoch: 2 })
      expect(await adopt(storage, owner, by('w8'), winner)).toEqual(next)
      expect(await readAdoption(storage, owner)).toEqual(next)
    })

    test('demand: told, taken back, bounded, and that of the dead is not read', async () => {
      const shape = (cpu: number) => ({
        resources: { CPU: cpu },
        labels: [],
        count: 2,
        waitingMs: 7,
      })
      const ids = ['1a', '1b', '1c'].map((id) => own + id)
      const [a = '', b = '', c = ''] = ids
      await tellDemand(storage, { nodeId: a, epoch: 1 }, [shape(1)])
      const many = Array.from({ length: SHAPES_MAX + 5 }, (_, cpu) => shape(cpu))
      await tellDemand(storage, { nodeId: b, epoch: 1 }, many)
      await tellDemand(storage, { nodeId: c, epoch: 1 }, [shape(1)])
      const living = (nodeId: string): boolean => nodeId === a || nodeId === b
      const read = await readDemand(storage, living)
      expect(Object.fromEntries(read.map(({ nodeId, more }) => [nodeId, more]))).toEqual({
        [a]: 0,
        [b]: 10,
      })
      await tellDemand(storage, { nodeId: a, epoch: 1 }, [])
      expect((await readDemand(storage, living)).map(({ nodeId }) => nodeId)).toEqual([b])
    })

    test('locations: the last word counts, of a spilled and of a kept copy each (OS1)', async () => {
      const objectId = `${own}0b`
      const copy = { objectId, sizeBytes: 9, nodeId: 'n1', epoch: 1 }
      const spilled = { ...copy, spill: AT, isKept: false }
      await tellLocations(storage, [spilled], Date.now())
      expect(await findLocations(storage, objectId)).toEqual([spilled])
      const kept = { ...copy, spill: { ...AT, offset: 2 }, isKept: true }
      await tellLocations(storage, [kept], Date.now())
      const later = { ...spilled, spill: { ...AT, offset: 4 } }
      await tellLocations(storage, [later], Date.now())
      expect(await findLocations(storage, objectId)).toEqual([kept, later])
    })
  })
}
