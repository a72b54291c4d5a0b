// The programs of README.md, typed as they stand there: Node runs them without a loader, and they
// compile under the strictest options.
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { runProgram, TemporaryProject } from './run-program.ts'

const ROOT = join(import.meta.dirname, '../../..')
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const BLOCKS = [...README.matchAll(/^```ts\n(.*?)^```$/gmsu)].map(([, text]) => text ?? '')
const TSC = join(ROOT, 'node_modules/typescript7/bin/tsc')
const STRICT = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'esnext']

/** The last one has its function from the first, and `expect` from a test runner. */
const [first = '', second = '', inTests = ''] = BLOCKS
const UNIT_TEST = `import { init, remote, shutdown } from 'virga'
import { strictEqual } from 'node:assert'
const expect = (found: number) => ({ toBe: (wanted: number) => strictEqual(found, wanted) })
${first.split('\n').find((line) => line.startsWith('const square')) ?? ''}
${inTests}`

const project = new TemporaryProject()
afterAll(() => {
  project.remove()
})

describe.each([
  { name: 'first.ts', text: first, says: '[ 1, 4, 9 ]\n16\n' },
  { name: 'second.ts', text: second, says: '5\n0\nline 0\nline 1\nline 2\n' },
  { name: 'unit-test.ts', text: UNIT_TEST, says: '' },
])('a program of the README, $name,', ({ name, text, says }) => {
  project.write(name, text)
  const file = project.path(name)

  test('runs as it stands there', async () => {
    expect(await runProgram({ file })).toEqual({ code: 0, stdout: says, stderr: '' })
  })

  test('compiles', async () => {
    const flags = [...STRICT, '--ignoreConfig', '--skipLibCheck']
    const tsc = promisify(execFile)(process.execPath, [TSC, ...flags, file], {
      cwd: project.folder,
    })
    await expect(tsc).resolves.toEqual({ stdout: '', stderr: '' })
  })
})

test('no program of the README is left out', () => {
  expect(BLOCKS).toHaveLength(3)
})
