// What a get says whose time is over, by what it was still waiting for.
import { GetTimeoutError } from '../common/errors.ts'

export function notComplete(missing: number, total: number, timeoutMs: number): GetTimeoutError {
  return new GetTimeoutError(
    `get() waited ${String(timeoutMs)} ms and ${String(missing)} of ${String(total)} values are ` +
      'still missing; wait longer, or see with `virga status --why` what they wait for',
    { data: { timeoutMs, missing, total } },
  )
}

export function notRead(total: number, timeoutMs = 0): GetTimeoutError {
  return new GetTimeoutError(
    `get() waited ${String(timeoutMs)} ms, and could not read all of the ${String(total)} values in time, ` +
      'which lie in the store or on another node; wait longer, or see with `virga status --why` ' +
      'and `virga memory` what it waits for',
    { data: { timeoutMs, total } },
  )
}

export function notWritten(timeoutMs = 0): GetTimeoutError {
  return new GetTimeoutError(
    `get() waited ${String(timeoutMs)} ms, and what this durable job has submitted and put before is ` +
      'not in the GCS and in the bucket yet, without which it tells no value; wait longer',
    { data: { timeoutMs } },
  )
}
