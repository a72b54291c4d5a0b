// When the event loop is kept turning, and above all when not.
import { describe, expect, test } from 'vitest'
import type { Connection } from '../../../runtime/protocol/connection.ts'
import { memoryTransport } from '../../../runtime/protocol/connection-memory.ts'
import { Polling, pollingTransport } from '../../../runtime/protocol/polling.ts'
import { HandClock } from '../../support/hand-clock.ts'

function machine(options: { cores?: number; runnable?: number | undefined } = {}) {
  const clock = new HandClock()
  const state = { runnable: 'runnable' in options ? options.runnable : 1, looks: 0 }
  const polling = new Polling({
    clock,
    coreCount: options.cores ?? 2,
    runnableCount: () => {
      state.looks += 1
      return state.runnable
    },
  })
  return {
    clock,
    state,
    polling,
    isPolling: () => clock.pendingCount > 0,
    /** Messages `gapMs` after each other, turns in between. */
    messages: (count: number, gapMs: number): void => {
      for (let i = 0; i < count; i += 1) {
        clock.turn(gapMs)
        polling.arrived()
      }
    },
  }
}

describe('the gate of busy polling', () => {
  test('opens once messages follow each other closely', () => {
    const { messages, isPolling } = machine()
    messages(3, 0.08)
    expect(isPolling()).toBe(false)
    messages(20, 0.08)
    expect(isPolling()).toBe(true)
  })

  test('PO1: closes 200 us after the last message, and is asked nothing more', () => {
    const { messages, isPolling, clock } = machine()
    messages(30, 0.08)
    clock.turn(0.15)
    expect(isPolling()).toBe(true)
    clock.turn(0.1)
    expect(isPolling()).toBe(false)
    clock.turn(1000)
    expect(isPolling()).toBe(false)
  })

  test('PO2: stays closed between messages that come slowly, and after one pause', () => {
    const { messages, isPolling } = machine()
    messages(100, 0.5)
    expect(isPolling()).toBe(false)
    messages(30, 0.05)
    expect(isPolling()).toBe(true)
    messages(1, 60_000)
    expect(isPolling()).toBe(false)
  })

  test('PO3: closes within 50 ms of one process too many, and opens 50 ms after a moment of it', () => {
    const { messages, isPolling, state } = machine()
    messages(30, 0.08)
    state.runnable = 3
    messages(520, 0.1)
    expect(isPolling()).toBe(false)
    state.runnable = 1
    messages(510, 0.1)
    expect(isPolling()).toBe(true)
  })

  test('PO3: is asked once a second while there is a process too many', () => {
    const { messages, isPolling, state } = machine({ runnable: 3 })
    messages(20_000, 0.1)
    const { looks } = state
    messages(100_000, 0.1)
    expect(isPolling()).toBe(false)
    expect(state.looks - looks).toBeLessThanOrEqual(11)
    state.runnable = 1
    messages(10_100, 0.1)
    expect(isPolling()).toBe(true)
  })

  test('PO4: closes where waits end in vain, longer each time, though the machine looks idle', () => {
    const { messages, isPolling, clock } = machine()
    const mutedMs: number[] = []
    messages(20, 0.05)
    for (let i = 0; i < 7; i += 1) {
      expect(isPolling()).toBe(true)
      // Three quick answers, then one that the other end had no core for.
      for (let waits = 0; waits < 10; waits += 1) {
        messages(3, 0.05)
        clock.turn(0.25)
      }
      messages(1, 0.05)
      expect(isPolling()).toBe(false)
      const sinceMs = clock.monotonicMs()
      while (!isPolling()) messages(1, 0.05)
      mutedMs.push(clock.monotonicMs() - sinceMs)
    }
    const expected = [50, 100, 200, 400, 800, 1000, 1000]
    for (const [i, ms] of mutedMs.entries()) {
      expect(ms).toBeLessThanOrEqual((expected[i] ?? 0) + 1)
      expect(ms).toBeGreaterThan((expected[i] ?? 0) - 5)
    }
  })

  test('PO4: a pause now and then between bursts of calls is no reason to close', () => {
    const { messages, isPolling, clock } = machine()
    for (let burst = 0; burst < 50; burst += 1) {
      messages(40, 0.05)
      expect(isPolling()).toBe(true)
      for (let turns = 0; turns < 10; turns += 1) clock.turn(0.1)
    }
  })

  test('PO3: never opens where nobody says how many are runnable', () => {
    const { messages, isPolling } = machine({ runnable: undefined })
    messages(1000, 0.05)
    expect(isPolling()).toBe(false)
  })

  test('PO3: never opens on one core, where the other end could not run meanwhile', () => {
    const { messages, isPolling } = machine({ cores: 1, runnable: 2 })
    messages(1000, 0.05)
    expect(isPolling()).toBe(false)
  })

  test('looks at the machine every 50 ms, not at every message', () => {
    const { messages, state } = machine()
    messages(10_000, 0.05)
    expect(state.looks).toBeLessThanOrEqual(11)
  })
})

test('a polling transport tells of each frame, and hands on frames and closing', async () => {
  const { polling, messages, isPolling, clock } = machine()
  messages(30, 0.08)
  clock.turn(1)
  expect(isPolling()).toBe(false)

  const transport = pollingTransport(memoryTransport(clock), polling)
  let far: Connection | undefined
  await transport.listen('here', (accepted) => {
    far = accepted
  })
  const connection = await transport.connect('here')
  clock.turn(0)
  const seen: string[] = []
  connection.start({
    onFrame: (body) => seen.push(body.toString('latin1')),
    onClose: () => seen.push('closed'),
  })
  far?.start({ onFrame: () => undefined, onClose: () => undefined })
  far?.send(Buffer.from('--------hello'))
  clock.turn(0)
  expect(seen).toEqual(['hello'])
  far?.close()
  clock.turn(0)
  expect(seen).toEqual(['hello', 'closed'])
})
