// A cluster whose tables are deployed in AWS: region, credentials and endpoint come as the SDK
// finds them, and what is wrong with them is told by `virga start` itself. AWS is an emulator here,
// or a server that answers every call as AWS would.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createTables } from '../../../runtime/gcs/client-dynamodb.ts'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { describeOn, startCloud } from '../../support/emulator.ts'
import { until } from '../../support/waiting.ts'
import { placeOfEachTest, fixture } from './virga.ts'

const REGION = 'eu-west-1'
const KEYS = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'secret' }

const place = placeOfEachTest()
beforeEach(() => {
  for (const name of Object.keys(place.env)) if (name.startsWith('AWS_')) delete place.env[name]
  // Nothing of the machine's own account, and no instance is asked for a role.
  Object.assign(place.env, { HOME: place.runtimeDir, AWS_EC2_METADATA_DISABLED: 'true' })
})

const DEPLOYED = ['start', '--gcs', 'dynamodb', '--cluster', 'prod', '--num-cpus', '1']
const port = async (): Promise<string[]> => ['--port', String(await freePort())]

const cloud = await startCloud()
describeOn(cloud, 'virga start --gcs dynamodb --cluster prod', (cloud) => {
  afterAll(() => cloud.stop())
  beforeEach(() => {
    Object.assign(place.env, { AWS_ENDPOINT_URL: cloud.endpoint, AWS_REGION: REGION, ...KEYS })
  })

  it('finds the tables that were deployed, which outlive the cluster and take the next', async () => {
    await createTables('prod', { endpoint: cloud.endpoint, region: REGION })
    const states = async (): Promise<string[]> =>
      (await place.rows('nodes')).map((row) => String(row['state']))
    await place.json(...DEPLOYED, '--nodes', '2', ...(await port()))
    expect(await states()).toEqual(['ALIVE', 'ALIVE'])
    expect((await place.virga('run', '--plain', fixture('work.mts'))).code).toBe(0)
    expect((await place.virga('stop')).code).toBe(0)
    await place.json(...DEPLOYED, ...(await port()))
    await until(async () => (await states()).filter((state) => state === 'DEAD').length === 2)
    expect((await place.virga('run', '--plain', fixture('work.mts'))).code).toBe(0)
  })

  it('B42 a cluster that is not there: the error names the region and those that are', async () => {
    await createTables('other', { endpoint: cloud.endpoint, region: REGION })
    const { code, stderr } = await place.virga(...DEPLOYED.with(4, 'missing'))
    expect(code).toBe(2)
    expect(stderr).toContain(`there is no cluster 'missing' in ${REGION}`)
    expect(stderr).toMatch(/found: .*other/)
  })
})

describe('what AWS refuses is told by virga start, once and with what to do', () => {
  let server: Server
  let calls = 0
  let answer = ['', '']
  beforeEach(async () => {
    calls = 0
    server = createServer((_, response) => {
      calls += 1
      const [type, message] = answer
      const body = JSON.stringify({ __type: `com.amazonaws#${type ?? ''}`, message })
      response.writeHead(400, { 'content-type': 'application/x-amz-json-1.0' }).end(body)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const endpoint = `http://127.0.0.1:${String(port)}`
    Object.assign(place.env, { AWS_ENDPOINT_URL: endpoint, AWS_REGION: REGION, ...KEYS })
  })
  afterEach(() => {
    server.close()
  })

  const told = async (): Promise<string> => {
    const { code, stderr } = await place.virga(...DEPLOYED)
    expect(code).toBe(2)
    expect(place.left()).toEqual([])
    return stderr
  }

  it.each([
    ['B38 expired', 'ExpiredTokenException', 'The security token … is expired', 'have expired'],
    ['B38 not valid', 'UnrecognizedClientException', 'The token … is invalid', 'are not valid'],
    [
      'B41 denied',
      'AccessDeniedException',
      'User: arn:aws:iam::1:role/x is not authorized to perform: dynamodb:GetItem on resource: y',
      'dynamodb:GetItem on resource: y); the role lacks a right',
    ],
    [
      'F25 a clock that is fast',
      'InvalidSignatureException',
      'Signature not yet current: 20261126T214500Z is still later than 20261126T204500Z ' +
        '(20261126T204000Z + 5 min.)',
      'the clock of this node is 3900 s fast',
    ],
    [
      'F25 a clock that is slow',
      'InvalidSignatureException',
      'Signature expired: 20261126T194000Z is now earlier than 20261126T203500Z ' +
        '(20261126T204000Z - 5 min.)',
      'the clock of this node is 3600 s slow',
    ],
  ])('%s', async (_, type, message, advice) => {
    answer = [type, message]
    expect(await told()).toContain(advice)
    expect(calls).toBe(1)
  })

  it('B37 no credentials: nothing is asked', async () => {
    for (const name of Object.keys(KEYS)) delete place.env[name]
    expect(await told()).toContain('no AWS credentials were found')
    expect(calls).toBe(0)
  })

  it('no region: nothing is asked', async () => {
    delete place.env['AWS_REGION']
    expect(await told()).toContain('no AWS region was found: set AWS_REGION')
    expect(calls).toBe(0)
  })
})

it('which cluster in AWS is meant must be said, by a name that tables can have', async () => {
  const calls = [
    [['--gcs', 'dynamodb'], 'say which with --cluster NAME'],
    [['--gcs', 'dynamodb', '--cluster', 'Prod_1'], '--cluster must be 2 to 40 of a-z'],
    [['--cluster', 'prod'], 'go with --gcs dynamodb'],
  ] as const
  for (const [args, message] of calls) {
    const { code, stderr } = await place.virga('start', ...args)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  }
})
