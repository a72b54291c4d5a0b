// Pulls of other nodes' objects: stories told event by event, and random programs in a world of
// holders that fail, lose their copies, answer late or damage what they send.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { assert } from '../../../runtime/common/assert.ts'
import { checkHeap } from '../../../runtime/common/keyed-heap.ts'
import type { PullEffect, PullEvent } from '../../../runtime/objects/pull-events.ts'
import {
  CHUNK_BYTES,
  type PullOptions,
  createPullState,
  nextPullTimerAtMs,
  stepPulls,
} from '../../../runtime/objects/pull-manager.ts'

const OPTIONS: PullOptions = {
  inFlightBytesMax: 10 * CHUNK_BYTES,
  arenaBytes: 40 * CHUNK_BYTES,
  windowChunks: 2,
  attemptsMax: 5,
}

class Story {
  readonly state = createPullState(OPTIONS)
  nowMs = 0

  tell(event: PullEvent): PullEffect[] {
    return stepPulls(this.state, event, this.nowMs)
  }

  want(objectId: string, by: string, options: Partial<Want> = {}): PullEffect[] {
    const { chunks = 1, purpose = 'get', holders = ['n1'] } = options
    const sizeBytes = chunks * CHUNK_BYTES
    return this.tell({ type: 'want', by, objectId, sizeBytes, purpose, holders })
  }

  /** Answers all that was asked for. */
  come(effects: readonly PullEffect[]): PullEffect[] {
    return asks(effects).flatMap(({ pull, chunk }) => this.tell({ type: 'chunkCame', pull, chunk }))
  }

  failAll(effects: readonly PullEffect[], reason = 'damaged'): PullEffect[] {
    return asks(effects).flatMap(({ pull, chunk }) =>
      this.tell({ type: 'chunkFailed', pull, chunk, reason }),
    )
  }
}

interface Want {
  readonly chunks: number
  readonly purpose: 'get' | 'argument'
  readonly holders: readonly string[]
}

type Ask = Extract<PullEffect, { readonly type: 'ask' }>
const asks = (effects: readonly PullEffect[]): Ask[] =>
  effects.filter((effect) => effect.type === 'ask')
const typesOf = (effects: readonly PullEffect[]): string[] => effects.map(({ type }) => type)

describe('pulls', () => {
  it('make room, ask for chunks in a window, and end when all have come', () => {
    const story = new Story()
    expect(story.want('a', 'x', { chunks: 3 })).toMatchObject([
      { type: 'makeRoom', pull: 1, sizeBytes: 3 * CHUNK_BYTES },
    ])
    const first = story.tell({ type: 'roomMade', pull: 1 })
    expect(asks(first).map(({ chunk }) => chunk.offset)).toEqual([0, CHUNK_BYTES])
    const next = story.come(first.slice(0, 1))
    expect(asks(next)).toMatchObject([{ chunk: { offset: 2 * CHUNK_BYTES } }])
    story.come(first.slice(1))
    expect(story.come(next)).toMatchObject([{ type: 'pulled', objectId: 'a', wantedBy: ['x'] }])
    expect(story.state).toMatchObject({ inFlightBytes: 0 })
  })

  it('are one per object, however many want it, and end when nobody does', () => {
    const story = new Story()
    story.want('a', 'x')
    expect(story.want('a', 'y')).toEqual([])
    expect(story.tell({ type: 'unwant', by: 'x', objectId: 'a' })).toEqual([])
    expect(typesOf(story.tell({ type: 'unwant', by: 'y', objectId: 'a' }))).toEqual(['abort'])
    // A late answer of the pull that ended says nothing of the next one.
    expect(story.want('a', 'z')).toMatchObject([{ type: 'makeRoom', pull: 2 }])
    expect(story.tell({ type: 'roomMade', pull: 1 })).toEqual([])
    expect(typesOf(story.tell({ type: 'roomMade', pull: 2 }))).toEqual(['ask'])
  })

  it('wait their turn for memory, gets before arguments, and a huge one goes alone', () => {
    const story = new Story()
    story.want('a', 'x', { chunks: 8 })
    expect(story.want('b', 'x', { chunks: 4, purpose: 'argument' })).toEqual([])
    expect(story.want('c', 'x', { chunks: 20 })).toEqual([])
    const done = story.tell({ type: 'unwant', by: 'x', objectId: 'a' })
    expect(done.map(({ type, objectId }) => `${type} ${objectId}`)).toEqual([
      'abort a',
      'makeRoom c',
    ])
    const last = story.tell({ type: 'roomRefused', pull: 3, error: new Error('full') })
    expect(typesOf(last)).toEqual(['abort', 'failed', 'makeRoom'])
  })

  it('PM2: of what is larger than the arena count with their window, as it comes into a file', () => {
    const story = new Story()
    const chunks = 41
    for (const id of ['a', 'b', 'c', 'd', 'e']) story.want(id, 'x', { chunks })
    expect(story.state.inFlightBytes).toBe(OPTIONS.inFlightBytesMax)
    expect(story.want('f', 'x')).toEqual([])
    const next = story.tell({ type: 'unwant', by: 'x', objectId: 'a' })
    expect(typesOf(next)).toEqual(['abort', 'makeRoom'])
    for (const id of ['b', 'c', 'd', 'e', 'f']) {
      story.tell({ type: 'unwant', by: 'x', objectId: id })
    }
    expect(story.state.inFlightBytes).toBe(0)
  })

  it('F41: ask another holder for a damaged chunk, and the first again only as the last', () => {
    const story = new Story()
    story.want('a', 'x', { holders: ['n1', 'n2'] })
    const [first] = asks(story.tell({ type: 'roomMade', pull: 1 }))
    const [second] = asks(story.failAll(first === undefined ? [] : [first]))
    expect([first?.chunk.holder, second?.chunk.holder]).toEqual(['n1', 'n2'])
    expect(story.failAll(second === undefined ? [] : [second])).toEqual([])
    story.nowMs = nextPullTimerAtMs(story.state) ?? 0
    expect(story.nowMs).toBe(50)
    expect(asks(story.tell({ type: 'timer' }))).toMatchObject([{ chunk: { holder: 'n1' } }])
  })

  it('F41: fail after enough attempts, naming what each holder did', () => {
    const story = new Story()
    story.want('a', 'x', { holders: ['n1', 'n2'] })
    let effects = story.tell({ type: 'roomMade', pull: 1 })
    while (asks(effects).length > 0) {
      effects = story.failAll(effects, 'damaged')
      if (effects.length > 0) continue
      story.nowMs = nextPullTimerAtMs(story.state) ?? story.nowMs
      effects = story.tell({ type: 'timer' })
    }
    expect(effects).toMatchObject([
      { type: 'abort' },
      {
        type: 'failed',
        wantedBy: ['x'],
        error: { code: 'ERR_OBJECT_LOST', data: { holders: { n1: 'damaged', n2: 'damaged' } } },
      },
    ])
  })

  it('F07: go on with another holder when one is gone, and end when none is left', () => {
    const story = new Story()
    story.want('a', 'x', { chunks: 2, holders: ['n1'] })
    story.tell({ type: 'roomMade', pull: 1 })
    story.tell({ type: 'holderFound', objectId: 'a', holder: 'n2' })
    const moved = story.tell({ type: 'holderLost', objectId: 'a', holder: 'n1' })
    expect(asks(moved).map(({ chunk }) => chunk.holder)).toEqual(['n2', 'n2'])
    const ended = story.tell({ type: 'holderLost', objectId: 'a', holder: 'n2' })
    expect(typesOf(ended)).toEqual(['abort', 'failed'])
  })

  it('PM5: eight times as many take some eight times as long, and not 64 times', () => {
    cpuTimeOf(1_000) // compiled by now
    const [few, many] = [1_000, 8_000].map((count) =>
      Math.min(...[1, 2, 3].map(() => cpuTimeOf(count))),
    )
    expect((many ?? Infinity) / (few ?? 0)).toBeLessThan(30)
  })

  it('all end, within the memory they may use, whatever holders do', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat()), (numbers) => {
        playPulls((below) => (below === 0 ? 0 : Number(numbers.next().value) % below))
      }),
      { numRuns: 200 },
    )
  })
})

/** So many are wanted at once; half wait for room, and each chunk fails once. */
function cpuTimeOf(count: number): number {
  const options = { ...OPTIONS, inFlightBytesMax: (count / 2) * CHUNK_BYTES }
  const state = createPullState(options)
  const open: PullEffect[] = []
  const tell = (event: PullEvent, nowMs: number): void => {
    open.push(...stepPulls(state, event, nowMs))
  }
  const failed = new Set<number>()
  const began = process.cpuUsage()
  for (let number = 0; number < count; number++) {
    const holders = [`n${number % 8}`]
    const want = { by: 'x', objectId: `o${number}`, purpose: 'get', holders } as const
    tell({ type: 'want', ...want, sizeBytes: CHUNK_BYTES }, 0)
  }
  for (let nowMs = 0; state.pulls.size > 0; nowMs = nextPullTimerAtMs(state) ?? nowMs) {
    tell({ type: 'timer' }, nowMs)
    for (let effect = open.pop(); effect !== undefined; effect = open.pop()) {
      const { pull } = effect
      if (effect.type === 'makeRoom') tell({ type: 'roomMade', pull }, nowMs)
      if (effect.type !== 'ask') continue
      const { chunk } = effect
      if (failed.has(pull)) tell({ type: 'chunkCame', pull, chunk }, nowMs)
      else tell({ type: 'chunkFailed', pull, chunk, reason: 'injected' }, nowMs)
      failed.add(pull)
    }
  }
  return process.cpuUsage(began).user
}

const IDS = ['a', 'b', 'c', 'd', 'e']
const NODES = ['n1', 'n2', 'n3']
/** `a` is empty, `e` is larger than what may be in flight. */
const chunksOf = (objectId: string): number => 3 * IDS.indexOf(objectId)

/** Nodes that hold objects, tasks that want them, and answers that are still on their way. */
class World {
  readonly story = new Story()
  readonly open: PullEffect[] = []
  readonly wanted = new Map<string, Set<string>>()
  readonly #written = new Map<number, Set<number>>()
  readonly #draw: (below: number) => number

  constructor(draw: (below: number) => number) {
    this.#draw = draw
  }

  /** One random thing happens. */
  turn(): void {
    const dice = this.#draw(20)
    const objectId = this.#pick(IDS)
    const holder = this.#pick(NODES)
    if (dice < 6) this.#want(objectId, holder)
    else if (dice === 6) this.#unwant(objectId)
    else if (dice === 7) this.#take(this.story.tell({ type: 'holderLost', objectId, holder }))
    else if (dice === 8) this.#take(this.story.tell({ type: 'holderFound', objectId, holder }))
    else if (dice === 9) this.wait(this.#draw(1000))
    else this.answer(dice < 17)
  }

  wait(durationMs: number): void {
    this.story.nowMs += durationMs
    this.#take(this.story.tell({ type: 'timer' }))
  }

  /** Something that was asked for ends, well or not. */
  answer(isWell: boolean): void {
    const [effect] = this.open.splice(this.#draw(this.open.length), 1)
    if (effect?.type === 'makeRoom') this.#endRoom(effect.pull, isWell)
    else if (effect?.type === 'ask') this.#endChunk(effect, isWell)
  }

  #want(objectId: string, holder: string): void {
    const by = `task ${this.#draw(3)}`
    const purpose = this.#draw(2) === 0 ? 'get' : 'argument'
    this.wanted.set(objectId, (this.wanted.get(objectId) ?? new Set()).add(by))
    const options = { chunks: chunksOf(objectId), purpose, holders: [holder] } as const
    this.#take(this.story.want(objectId, by, options))
  }

  #unwant(objectId: string): void {
    const by = `task ${this.#draw(3)}`
    const left = this.wanted.get(objectId)
    left?.delete(by)
    if (left?.size === 0) this.wanted.delete(objectId)
    this.#take(this.story.tell({ type: 'unwant', by, objectId }))
  }

  #endRoom(pull: number, isWell: boolean): void {
    const refused = { type: 'roomRefused' as const, pull, error: new Error('full') }
    this.#take(this.story.tell(isWell ? { type: 'roomMade', pull } : refused))
  }

  #endChunk({ pull, chunk }: Ask, isWell: boolean): void {
    if (isWell) this.#written.set(pull, (this.#written.get(pull) ?? new Set()).add(chunk.offset))
    const failed = { type: 'chunkFailed' as const, pull, chunk, reason: 'injected' }
    this.#take(this.story.tell(isWell ? { type: 'chunkCame', pull, chunk } : failed))
  }

  #take(effects: readonly PullEffect[]): void {
    for (const effect of effects) {
      if (effect.type === 'makeRoom' || effect.type === 'ask') this.open.push(effect)
      else if (effect.type !== 'abort') this.#ended(effect)
    }
    const { inFlightBytes, pulls } = this.story.state
    const admitted = [...pulls.values()].filter(({ phase }) => phase !== 'QUEUED')
    expect(inFlightBytes).toBe(admitted.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))
    const large = admitted.filter(({ sizeBytes }) => sizeBytes > 0)
    expect(inFlightBytes <= OPTIONS.inFlightBytesMax || large.length === 1).toBe(true)
    for (const { asked } of pulls.values()) expect(asked.size).toBeLessThanOrEqual(2)
    this.#checkTurns()
  }

  /** PM5. Who is to be looked at without an event of its own is where it is looked for. */
  #checkTurns(): void {
    const { state } = this.story
    checkHeap(state.queue)
    checkHeap(state.pauses)
    for (const pull of state.pulls.values()) {
      const { phase, missing } = pull
      const holders = [...pull.holders.values()]
      const isWaiting = phase === 'QUEUED' && holders.length > 0
      assert(state.queue.places.has(pull) === isWaiting, 'it is not where its turn is looked for')
      const isPausing = holders.some(({ notBeforeMs }) => notBeforeMs > state.nowMs)
      const isLacking = phase === 'ACTIVE' && missing.length > 0 && isPausing
      assert(state.pauses.places.has(pull) === isLacking, 'the end of its pause is not looked for')
    }
    const known = state.queue.entries.length + state.pauses.entries.length
    assert(known <= state.pulls.size, 'a pull that has ended is looked for')
  }

  #ended(effect: Extract<PullEffect, { readonly type: 'pulled' | 'failed' }>): void {
    const { pull, objectId, wantedBy } = effect
    if (effect.type === 'pulled') {
      expect(this.#written.get(pull)?.size ?? 0).toBe(chunksOf(objectId))
    }
    expect(new Set(wantedBy)).toEqual(this.wanted.get(objectId))
    this.wanted.delete(objectId)
  }

  #pick(from: readonly string[]): string {
    return from[this.#draw(from.length)] ?? 'a'
  }
}

/** A random program of 300 turns; then everything is answered, and nothing may be left. */
function playPulls(draw: (below: number) => number): void {
  const world = new World(draw)
  const { story, open, wanted } = world
  for (let turn = 0; turn < 300; turn++) world.turn()
  for (let round = 0; open.length > 0 || story.state.pulls.size > 0; round++) {
    expect(round).toBeLessThan(10_000)
    if (open.length > 0) world.answer(true)
    else world.wait((nextPullTimerAtMs(story.state) ?? story.nowMs) - story.nowMs)
  }
  expect(wanted.size).toBe(0)
  expect(story.state.inFlightBytes).toBe(0)
}
