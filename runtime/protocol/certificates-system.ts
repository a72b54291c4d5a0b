// The certificate authority of a cluster, and the certificates it issues to nodes. Node reads X.509
// but does not sign it, so the structure is written here in DER and signed by node:crypto (D51).
// Invariants:
//   CE1. A certificate is of one node in one epoch of one cluster: its only alternative name says
//        so, and no host name does.
//   CE2. The authority signs nodes only, and a node signs nothing (path length 0, CA false).
//   CE3. A node's private key is never here: a node hands in its public key.
// Source: RFC 5280 (fields), RFC 5758 (ECDSA with SHA-256), RFC 7093 (key identifiers).
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  sign,
  type KeyObject,
  type X509Certificate,
} from 'node:crypto'
import {
  bitString,
  boolean,
  explicit,
  generalizedTime,
  implicit,
  integer,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  utcTime,
  utf8String,
} from './der.ts'
import { findIdentity, identityUri, type NodeIdentity } from './node-identity.ts'

/** All in PEM. */
export interface Authority {
  readonly certificate: string
  readonly privateKey: string
}

/** When a certificate is valid, in milliseconds since 1970. */
export interface Validity {
  readonly fromMs: number
  readonly untilMs: number
}

const ECDSA_WITH_SHA256 = sequence(objectIdentifier('1.2.840.10045.4.3.2'))
const SERIAL_BYTES = 16
const KEY_ID_BYTES = 20
const PEM_COLUMNS = 64

/** A key pair for one node's certificate, P-256, in PEM. */
export function newNodeKey(): { readonly publicKey: string; readonly privateKey: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { publicKey: publicKeyPem(publicKey), privateKey: privateKeyPem(privateKey) }
}

/** The authority of a new cluster. Who has its private key can be any node. */
export function newAuthority(cluster: string, validity: Validity): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const issuer = { name: nameOf(authorityName(cluster)), publicKey, privateKey }
  const certificate = signed(issuer, {
    subject: issuer.name,
    publicKey,
    validity,
    extensions: [
      // cA true, pathLenConstraint 0 (CE2)
      extension('2.5.29.19', 'critical', sequence(boolean(true), integer(Buffer.from([0])))),
      extension('2.5.29.15', 'critical', bitString(Buffer.from([0b0000_0110]), 1)), // certificates, CRLs
    ],
  })
  return { certificate, privateKey: privateKeyPem(privateKey) }
}

/**
 * A certificate in PEM, for both ends of a connection (CE1).
 * @param publicKey  of the node, in PEM (CE3).
 */
export function issueCertificate(
  authority: Authority,
  identity: NodeIdentity,
  options: { readonly publicKey: string; readonly validity: Validity },
): string {
  const issuer = {
    name: nameOf(authorityName(identity.cluster)),
    publicKey: createPublicKey(authority.certificate),
    privateKey: createPrivateKey(authority.privateKey),
  }
  const uri = implicit(6, Buffer.from(identityUri(identity), 'latin1'))
  return signed(issuer, {
    subject: nameOf(identity.nodeId),
    publicKey: createPublicKey(options.publicKey),
    validity: options.validity,
    extensions: [
      extension('2.5.29.19', 'critical', sequence()), // cA false
      extension('2.5.29.15', 'critical', bitString(Buffer.from([0b1000_0000]), 7)), // signs handshakes
      extension(
        '2.5.29.37',
        'optional',
        sequence(objectIdentifier('1.3.6.1.5.5.7.3.1'), objectIdentifier('1.3.6.1.5.5.7.3.2')),
      ),
      extension('2.5.29.17', 'optional', sequence(uri)),
    ],
  })
}

/** Whom a certificate is of, or undefined. Says nothing about who signed it. */
export function identityOfCertificate(certificate: X509Certificate): NodeIdentity | undefined {
  const names = certificate.subjectAltName ?? ''
  return names.startsWith('URI:') ? findIdentity(names.slice('URI:'.length)) : undefined
}

interface Issuer {
  readonly name: Buffer
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

interface Subject {
  readonly subject: Buffer
  readonly publicKey: KeyObject
  readonly validity: Validity
  readonly extensions: readonly Buffer[]
}

function signed(issuer: Issuer, { subject, publicKey, validity, extensions }: Subject): string {
  const subjectKeyId = keyIdOf(publicKey)
  const toSign = sequence(
    explicit(0, integer(Buffer.from([2]))), // version 3
    integer(serialNumber()),
    ECDSA_WITH_SHA256,
    issuer.name,
    sequence(time(validity.fromMs), time(validity.untilMs)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    explicit(
      3,
      sequence(
        ...extensions,
        extension('2.5.29.14', 'optional', octetString(subjectKeyId)),
        extension('2.5.29.35', 'optional', sequence(implicit(0, keyIdOf(issuer.publicKey)))),
      ),
    ),
  )
  const signature = sign('sha256', toSign, issuer.privateKey)
  return pemOf(sequence(toSign, ECDSA_WITH_SHA256, bitString(signature)))
}

const extension = (id: string, weight: 'critical' | 'optional', value: Buffer): Buffer =>
  sequence(
    objectIdentifier(id),
    ...(weight === 'critical' ? [boolean(true)] : []),
    octetString(value),
  )

/** A common name, and nothing else. */
const nameOf = (commonName: string): Buffer =>
  sequence(setOf(sequence(objectIdentifier('2.5.4.3'), utf8String(commonName))))

/** Common names end at 64 characters. */
const authorityName = (cluster: string): string => `virga ${cluster}`.slice(0, 64)

/** Two digits of the year before 2050, four from then on (RFC 5280, 4.1.2.5). */
function time(atMs: number): Buffer {
  const digits = new Date(atMs).toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  return Number(digits.slice(0, 4)) < 2050 ? utcTime(digits.slice(2)) : generalizedTime(digits)
}

/** Positive and not zero. */
function serialNumber(): Buffer {
  const bytes = randomBytes(SERIAL_BYTES)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes
}

const keyIdOf = (publicKey: KeyObject): Buffer =>
  createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest()
    .subarray(0, KEY_ID_BYTES)

function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(new RegExp(`.{1,${String(PEM_COLUMNS)}}`, 'g')) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

const publicKeyPem = (key: KeyObject): string =>
  key.export({ type: 'spki', format: 'pem' }).toString()
const privateKeyPem = (key: KeyObject): string =>
  key.export({ type: 'pkcs8', format: 'pem' }).toString()
