// What a dead process owned goes on with those who hold its refs: on real nodes.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { fixture, Place } from './virga.ts'

let place: Place
beforeEach(() => {
  place = new Place()
})
afterEach(async () => {
  await place.virga('stop')
  place.remove()
})

const start = async (): Promise<void> => {
  await place.json('start', '--nodes', '3', '--num-cpus', '2', '--port', String(await freePort()))
}

describe('F06: the owner of a ref is killed', () => {
  it('its holders get the value, from one of them; a value that nothing makes is named', async () => {
    await start()
    const { code, stdout, stderr } = await place.node(fixture('dead-owners.mts')).ended
    expect(stderr).toBe('')
    expect(code).toBe(0)
    const word = { word: 'put by the dead' }
    const told = JSON.parse(stdout) as Record<string, unknown>
    expect(told['values']).toEqual([word, 41, word])
    expect(told['holders']).toEqual([word, word, word, word])
    expect(told['missing']).toMatch(/OwnerDiedError.*put/)
  })
})
