// An inspector client that attaches to an inspected worker stops in the task's own file and line.
// Spoken here is what VS Code speaks: the inspector protocol over the worker's websocket.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { FIXTURES, TemporaryProject } from './run-program.ts'
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

/** An inspector client: sends commands, keeps the answers and what it was told. */
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

interface Program {
  readonly file: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** A breakpoint in the task of that program is hit, sees its variables, and the task goes on. */
async function expectHit({ file, args = [], env: added = {} }: Program): Promise<void> {
  const { VITEST: _vitest, ...env } = process.env
  const driver = spawn(process.execPath, [file, ...args], { env: { ...env, ...added } })
  let output = ''
  driver.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  driver.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = once(driver, 'close')
  try {
    await until(() => output.includes('warm') && /ws:\/\/\S+/.test(output))
    const [address = ''] = /ws:\/\/\S+/.exec(output) ?? []
    const { send, paused, close } = await attach(address)
    await send('Debugger.enable')
    const breakpoint = { lineNumber: LINE, url: pathToFileURL(file).href }
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
}

test('a breakpoint in a task is hit under VIRGA_INSPECT=1, and the task goes on', async () => {
  await expectHit({ file: FILE, env: { VIRGA_INSPECT: '1' } })
})

test('so is one in a task with options({ inspect: true }), of whose kind alone it is', async () => {
  await expectHit({ file: FILE, args: ['option'] })
})

// VS Code itself is not here: it starts the program so, and attaches as above.
test('the launch configuration of the README is valid, and starts a program that stops', async () => {
  const readme = readFileSync(join(FIXTURES, '../../../../README.md'), 'utf8')
  const [, json = ''] = /```json\n(\{[^`]*"request": "launch"[^`]*\})\n```/.exec(readme) ?? []
  const launch = JSON.parse(json) as { program: string; env: Record<string, string> }
  expect(launch).toMatchObject({ type: 'node', request: 'launch', autoAttachChildProcesses: true })
  const project = new TemporaryProject()
  try {
    const file = launch.program.replace('${workspaceFolder}', realpathSync(project.folder))
    copyFileSync(FILE, file)
    await expectHit({ file, env: launch.env })
  } finally {
    project.remove()
  }
})
