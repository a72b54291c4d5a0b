// Certificates of a cluster's authority, as Node's own X.509 reads them.
import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  identityOfCertificate,
  issueCertificate,
  newAuthority,
  newNodeKey,
} from '../../../runtime/protocol/certificates-system.ts'
import { validNow } from '../../support/certified-nodes.ts'

const DAY_MS = 86_400_000
const IDENTITY = { cluster: 'prod', nodeId: '3fab', epoch: 7 }

const issued = (authority = newAuthority('prod', validNow())): X509Certificate => {
  const { publicKey } = newNodeKey()
  return new X509Certificate(
    issueCertificate(authority, IDENTITY, { publicKey, validity: validNow() }),
  )
}

describe('certificates', () => {
  test('CE1 are of one node in one epoch, and of nothing else', () => {
    const certificate = issued()
    expect(identityOfCertificate(certificate)).toEqual(IDENTITY)
    expect(certificate.subjectAltName).toBe('URI:virga://cluster/prod/node/3fab/epoch/7')
    expect(certificate.checkHost('localhost')).toBeUndefined()
  })

  test('CE2 are signed by the authority, which alone may sign', () => {
    const authority = newAuthority('prod', validNow())
    const root = new X509Certificate(authority.certificate)
    const certificate = issued(authority)
    expect(certificate.checkIssued(root)).toBe(true)
    expect(certificate.verify(root.publicKey)).toBe(true)
    expect([root.ca, certificate.ca]).toEqual([true, false])
    expect(issued().verify(root.publicKey)).toBe(false)
  })

  test('are valid when they say, also after 2049', () => {
    const untilMs = Date.UTC(2061, 1, 2, 3, 4, 5)
    const root = new X509Certificate(newAuthority('prod', { fromMs: 0, untilMs }).certificate)
    expect(Date.parse(root.validFrom)).toBe(0)
    expect(Date.parse(root.validTo)).toBe(untilMs)
  })

  test('have serial numbers of their own, and are small enough for every handshake', () => {
    const authority = newAuthority('prod', { fromMs: 0, untilMs: 36_500 * DAY_MS })
    const serials = Array.from({ length: 20 }, () => issued(authority).serialNumber)
    expect(new Set(serials).size).toBe(20)
    expect(issued(authority).raw.length).toBeLessThan(1_000)
  })
})
