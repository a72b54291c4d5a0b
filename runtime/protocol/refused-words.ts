// Why an incoming connection came to nothing, in plain words: what OpenSSL says of a handshake
// names its own routines.
const WORDS: readonly (readonly [code: RegExp, words: string])[] = [
  [/^ERR_SSL_HTTP_REQUEST$/, 'it speaks HTTP; only nodes of this cluster are served here'],
  [/^ERR_SSL_(UNSUPPORTED_PROTOCOL|NO_SHARED_CIPHER)$/, 'it offers no TLS 1.3'],
  [
    /^ERR_SSL_.*_ALERT_/,
    "it broke off the TLS handshake: it does not take this node's certificate",
  ],
  [/^ERR_SSL_/, 'what it sent is no TLS; only nodes of this cluster are served here'],
  [/^ERR_TLS_HANDSHAKE_TIMEOUT$/, 'it did not end its TLS handshake in time'],
  [/^(ECONNRESET|EPIPE|ETIMEDOUT)$/, 'it broke off before its hello'],
]

/** Refusals are written for people; so is all else that is not of TLS or of the system. */
export function refusedWords({ code = '', message }: Error & { readonly code?: string }): string {
  return WORDS.find(([pattern]) => pattern.test(code))?.[1] ?? message
}
