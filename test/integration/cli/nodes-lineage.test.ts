// What a dead process owned goes on with those who hold its refs: on real nodes.
import { afterAll, describe, expect, it } from 'vitest'
import { BUCKET, describeOn, startCloud } from '../../support/emulator.ts'
import { until } from '../../support/waiting.ts'
import { fixture, placeOfEachTest, type Row } from './virga.ts'

/** A node is dead once its lease of 16 s has run out. */
const place = placeOfEachTest(60_000)

const cloud = await startCloud()
describeOn(cloud, 'F06: a durable job, with the GCS in DynamoDB and a bucket', (cloud) => {
  afterAll(() => cloud.stop())

  /** @returns what the program got once its owner, or all of the owner's node, was killed. */
  async function outlives(victim: 'pid' | 'raylet'): Promise<unknown> {
    Object.assign(place.env, {
      AWS_ENDPOINT_URL: cloud.endpoint,
      VIRGA_SPILL: `s3://${BUCKET}/durable-${victim}`,
    })
    const where = ['--gcs', 'dynamodb', '--endpoint-url', cloud.endpoint]
    await place.startNodes({ nodes: 3 }, ...where)
    const { child, output, ended } = place.spawn(process.execPath, [fixture('durable.mts')])
    await until(() => output.stdout.includes('\n'))
    process.kill(Number((JSON.parse(output.stdout) as Row)[victim]), 'SIGKILL')
    child.stdin?.write('\n')
    const { code, stdout, stderr } = await ended
    expect(code, stderr).toBe(0)
    return JSON.parse(stdout.split('\n')[1] ?? '')
  }

  const told = { told: ['small', 1e5, 2e5, 1e5], goesOn: true }
  it('what it put and submitted survives the process that owned it', async () => {
    expect(await outlives('pid')).toEqual(told)
  })
  it('and the node', async () => {
    expect(await outlives('raylet')).toEqual(told)
  }, 90_000)
})

describe('F06: the owner of a ref is killed', () => {
  it('its holders get the value, from one of them; a value that nothing makes is named', async () => {
    await place.startNodes({ nodes: 3 })
    const { code, stdout, stderr } = await place.node(fixture('dead-owners.mts')).ended
    expect(code, stderr).toBe(0) // who is killed while it dials is warned of
    const word = { word: 'put by the dead' }
    const told = JSON.parse(stdout) as Record<string, unknown>
    expect(told['values']).toEqual([word, 41, word])
    expect(told['holders']).toEqual([word, word, word, word])
    const both = ['first', ['second']]
    expect(told['tasks']).toEqual({
      told: [both, both, 'pair', 100_000],
      runs: ['first', 'pair', 'second'].map((name) => [name, 'ran\n']),
    })
    const names = ['what was put', 'the actor call Clerk.file', 'the stream pages', 'once .max']
    const errors = names.map((name): unknown => expect.stringMatching(`^OwnerDiedError: .*${name}`))
    expect(told['missing']).toEqual(errors)
  })
})
