// Greetings between nodes and the two texts of an identity: what is written is read back, and what
// nobody wrote is refused with a typed error.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProtocolError, UsageError } from '../../../runtime/common/errors.ts'
import { FRAME_HEADER_BYTES } from '../../../runtime/protocol/connection.ts'
import {
  findIdentity,
  hostAndPortOf,
  identityUri,
  nodeAddressOf,
  showAddress,
} from '../../../runtime/protocol/node-identity.ts'
import {
  decodeGreeting,
  encodeGreeting,
  type PeerGreeting,
} from '../../../runtime/protocol/peer-hello.ts'

const hex = fc
  .uint8Array({ minLength: 1, maxLength: 14 })
  .map((bytes) => Buffer.from(bytes).toString('hex'))
const epoch = fc.nat({ max: 999_999_999 })
const identity = fc.record({
  cluster: fc.stringMatching(/^[\w.-]{1,64}$/),
  nodeId: hex,
  epoch,
})
const greeting: fc.Arbitrary<PeerGreeting> = fc.oneof(
  fc
    .record({
      from: identity,
      to: fc.record({ nodeId: hex, epoch }),
      protocol: fc.record({ min: fc.nat(100), max: fc.nat(100) }),
      lane: fc.constantFrom('control' as const, 'bulk' as const),
    })
    .map((hello) => ({ kind: 'HELLO' as const, hello })),
  fc
    .record({
      reason: fc.constantFrom('CERTIFICATE', 'CLUSTER', 'WRONG_NODE', 'EPOCH', 'VERSION'),
      by: identity,
      peer: fc.option(identity, { nil: undefined }),
      text: fc.string(),
    })
    .map((refusal) => ({ kind: 'REFUSAL' as const, refusal })),
)

describe('greetings', () => {
  test('are read as they were written', () => {
    fc.assert(
      fc.property(greeting, (given) => {
        const body = encodeGreeting(given).subarray(FRAME_HEADER_BYTES)
        expect(decodeGreeting(body)).toEqual(given)
      }),
    )
  })

  test('B02 that are cut, changed or something else are a ProtocolError or another greeting', () => {
    fc.assert(
      fc.property(greeting, fc.nat(), fc.nat(255), fc.boolean(), (given, at, byte, cut) => {
        const body = Buffer.from(encodeGreeting(given).subarray(FRAME_HEADER_BYTES))
        body[at % body.length] = byte
        try {
          decodeGreeting(cut ? body.subarray(0, at % body.length) : body)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
    )
    expect(() => decodeGreeting(Buffer.from('GET / HTTP/1.1\r\n'))).toThrow(ProtocolError)
    expect(() => decodeGreeting(Buffer.alloc(0))).toThrow(ProtocolError)
  })
})

describe('identities', () => {
  test('go through the URI of a certificate', () => {
    fc.assert(
      fc.property(identity, (given) => {
        expect(findIdentity(identityUri(given))).toEqual(given)
      }),
    )
  })

  test('NI2 are read whole or not at all', () => {
    const good = 'virga://cluster/prod/node/3fab/epoch/7'
    expect(findIdentity(good)).toEqual({ cluster: 'prod', nodeId: '3fab', epoch: 7 })
    for (const bad of [`${good}8.5`, `${good}, URI:${good}`, ` ${good}`, `${good}\n`, '', 'URI:']) {
      expect(findIdentity(bad)).toBeUndefined()
    }
  })
})

describe('addresses', () => {
  test.each([
    ['10.0.0.7:4600/3fab/2', { host: '10.0.0.7', port: 4600, nodeId: '3fab', epoch: 2 }],
    ['[fd00::1]:1/3fab/0', { host: 'fd00::1', port: 1, nodeId: '3fab', epoch: 0 }],
  ])('%s', (text, address) => {
    expect(nodeAddressOf(text)).toEqual(address)
    expect(showAddress(address)).toBe(text)
  })

  test('that name no node are refused', () => {
    for (const bad of ['10.0.0.7:4600', 'a:70000/3f/1', 'a:1/3f/1/2', 'fd00::1:1/3f/1', '/tmp/a']) {
      expect(() => nodeAddressOf(bad)).toThrow(UsageError)
    }
    expect(hostAndPortOf('[::]:0')).toEqual({ host: '::', port: 0 })
    expect(() => hostAndPortOf('localhost')).toThrow(UsageError)
  })
})
