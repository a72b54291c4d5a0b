// A worker that loads a module while its raylet goes (PG1), over a real pipe.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { expect, test } from 'vitest'

const GONE = 7
const STRIP_PIPE = new URL('../../../runtime/worker/strip-pipe-file.ts', import.meta.url).href
/** Asks once it is told to, by a signal that needs no other descriptor. */
const PROGRAM = `
  import { stripOverPipe } from '${STRIP_PIPE}'
  const ask = stripOverPipe(3, () => process.exit(${String(GONE)}))
  process.once('SIGUSR2', () => ask({ url: 'file:///home.ts', wantsFormat: false }))
  setInterval(() => undefined, 1000)
  console.log('ready')
`

function startWorker() {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', PROGRAM], {
    stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
  })
  const pipe = child.stdio[3] as Duplex
  return { child, pipe, ready: once(child.stdout as Duplex, 'data'), ended: once(child, 'exit') }
}

test('F07: it ends, and tells no error of the module, when its request cannot be sent', async () => {
  const { child, pipe, ready, ended } = startWorker()
  await ready
  pipe.destroy()
  await once(pipe, 'close')
  child.kill('SIGUSR2')
  expect(await ended).toEqual([GONE, null])
})

test('F07: nor when its request is never answered', async () => {
  const { child, pipe, ready, ended } = startWorker()
  await ready
  child.kill('SIGUSR2')
  await once(pipe, 'data')
  pipe.destroy()
  expect(await ended).toEqual([GONE, null])
})
