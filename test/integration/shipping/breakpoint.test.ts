// VIRGA_INSPECT=1: a debugger that attaches to the worker stops in the task's own file and line.
// Spoken here is what VS Code speaks: the inspector protocol over the worker's websocket.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { FIXTURES } from './run-program.ts'
import { until } from '../../support/waiting.ts'

const FILE = join(FIXTURES, 'breakpoint.ts')
const LINE = readFileSync(FILE, 'utf8').split('\n').indexOf('  return sum')

interface Paused {
  readonly callFrames: readonly {
    readonly functionName: string
    readonly url: string
    readonly location: { readonly lineNumber: number }
    readonly callFrameId: string
  }[]
  readonly hitBreakpoints: readonly string[]
}

/** A debugger: sends commands, keeps the answers and what it was told. */
async function attach(address: string) {
  const socket = new WebSocket(address)
  const answers = new Map<number, unknown>()
  const paused: Paused[] = []
  let lastId = 0
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data)) as {
      id?: number
      method?: string
      params?: unknown
      result?: unknown
    }
    if (message.id !== undefined) answers.set(message.id, message.result)
    if (message.method === 'Debugger.paused') paused.push(message.params as Paused)
  })
  await once(socket, 'open')
  const send = async (method: string, params: object = {}): Promise<unknown> => {
    const id = ++lastId
    socket.send(JSON.stringify({ id, method, params }))
    await until(() => answers.has(id))
    return answers.get(id)
  }
  return { send, paused, close: () => socket.close() }
}

test('a breakpoint in a task is hit, sees its variables, and the task goes on', async () => {
  const { VITEST: _vitest, ...env } = process.env
  const driver = spawn(process.execPath, [FILE], { env: { ...env, VIRGA_INSPECT: '1' } })
  let output = ''
  driver.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  driver.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = once(driver, 'close')
  try {
    await until(() => output.includes('warm') && /ws:\/\/\S+/.test(output))
    const [address = ''] = /ws:\/\/\S+/.exec(output) ?? []
    const { send, paused, close } = await attach(address)
    await send('Debugger.enable')
    const breakpoint = { lineNumber: LINE, url: pathToFileURL(FILE).href }
    const set = (await send('Debugger.setBreakpointByUrl', breakpoint)) as { breakpointId: string }
    driver.stdin.write('go\n')
    await until(() => paused.length > 0)
    const [stop] = paused
    const [frame] = stop?.callFrames ?? []
    expect(stop?.hitBreakpoints).toEqual([set.breakpointId])
    expect(frame).toMatchObject({ functionName: 'addOne', location: { lineNumber: LINE } })
    const { callFrameId = '' } = frame ?? {}
    const shown = await send('Debugger.evaluateOnCallFrame', { callFrameId, expression: 'sum' })
    expect(shown).toMatchObject({ result: { value: 42 } })
    await send('Debugger.resume')
    close()
    await ended
    expect(output).toContain('{"sum":42}')
  } finally {
    driver.kill()
  }
})
