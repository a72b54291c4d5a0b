// What the log of a raylet says of peers that were not let in.
import { expect, it } from 'vitest'
import { silentLog, type LogFields } from '../../../runtime/common/log.ts'
import { refusedWords } from '../../../runtime/protocol/refused-words.ts'
import { RefusedPeers } from '../../../runtime/raylet/cluster/refused-peers.ts'
import { HandClock } from '../../support/hand-clock.ts'

const opened = (code: string): Error => Object.assign(new Error(`OpenSSL: ${code}`), { code })

it.each([
  ['ERR_SSL_HTTP_REQUEST', 'it speaks HTTP'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'what it sent is no TLS'],
  ['ERR_SSL_UNSUPPORTED_PROTOCOL', 'it offers no TLS 1.3'],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', "does not take this node's certificate"],
  ['ERR_TLS_HANDSHAKE_TIMEOUT', 'did not end its TLS handshake'],
  ['ECONNRESET', 'it broke off'],
  ['ERR_ELSE', 'OpenSSL: ERR_ELSE'],
])('says in plain words what a peer lacked: %s', (code, words) => {
  expect(refusedWords(opened(code))).toContain(words)
})

it('RP1: logs ten a minute, each with its address, and how many more there were', async () => {
  const clock = new HandClock()
  const logged: LogFields[] = []
  const log = { ...silentLog, warn: (_: string, fields: LogFields = {}) => logged.push(fields) }
  const peers = new RefusedPeers({ clock, log })
  for (let port = 0; port < 100; port += 1) peers.refused(opened('EPIPE'), `10.0.0.1:${port}`)
  expect(logged).toHaveLength(10)
  expect(logged[0]).toEqual({ peer: '10.0.0.1:0', error: 'it broke off before its hello' })
  expect(logged[9]).toMatchObject({ next: 'more of this minute are only counted' })
  await clock.advance(60_000)
  peers.refused(opened('EPIPE'), undefined)
  expect(logged[10]).toMatchObject({ peer: 'unknown', notLoggedBefore: 90 })
})
