// What the ledger allows calls of actors on other nodes, and what it does not.
import { describe, expect, it } from 'vitest'
import { Breaks } from '../breaks.ts'
import { Ledger } from '../ledger.ts'
import { SimProcess } from '../process.ts'
import { Scheduler } from '../scheduler.ts'

function aCall() {
  const scheduler = new Scheduler()
  const breaks = new Breaks()
  const driver = new SimProcess(scheduler, 'm1/driver', 1)
  const ledger = new Ledger(
    { scheduler },
    {
      isOver: () => false,
      breaksSince: (a, b, sinceMs) => breaks.since(a, b, sinceMs),
    },
  )
  const process = new SimProcess(scheduler, 'm2/worker1', 2)
  return {
    lives: { first: process, next: new SimProcess(scheduler, 'm3/worker1', 3) },
    makes: () => {
      ledger.called('round', 0, driver)
    },
    breaks: () => {
      scheduler.nowMs += 10
      breaks.note(process, driver, { cut: scheduler.nowMs, atMs: scheduler.nowMs })
    },
    takes: (by = process, atMostOnce = false) => {
      ledger.effect('teller', { process: by, caller: 'round', seq: 0 }, atMostOnce)
    },
    broken: () => scheduler.failure?.message ?? '',
  }
}

describe('the ledger of calls of actors on other nodes (D155, D160)', () => {
  it('lets one life take a call again each time the connection from its caller has broken', () => {
    const { makes, takes, breaks, broken } = aCall()
    makes()
    takes()
    breaks()
    takes()
    expect(broken()).toBe('')
    takes()
    expect(broken()).toContain('took round#0 again, and no connection had broken')
  })

  it('does not count breaks before the call was made', () => {
    const { makes, takes, breaks, broken } = aCall()
    breaks()
    makes()
    takes()
    takes()
    expect(broken()).toContain('no connection had broken')
  })

  it('lets the next life take what the one before it took', () => {
    const { makes, takes, lives, broken } = aCall()
    makes()
    takes(lives.first)
    lives.first.alive = false
    takes(lives.next)
    expect(broken()).toBe('')
  })

  it('lets no call be taken twice that may run at most once, whatever broke', () => {
    const { makes, takes, breaks, lives, broken } = aCall()
    makes()
    takes(lives.first, true)
    breaks()
    takes(lives.first, true)
    expect(broken()).toContain('twice, and may at most once')
  })
})
