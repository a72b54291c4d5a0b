// Function shipping where it cannot work: what the user is told.
import { build } from 'esbuild'
import { afterEach, describe, expect, test } from 'vitest'
import { freePort } from '../../../scripts/bench/free-port.ts'
import { FIXTURES, TemporaryProject, resultOf, runProgram } from './run-program.ts'

let project: TemporaryProject | undefined
afterEach(() => {
  project?.remove()
  project = undefined
})

const CODE = "import { remote } from 'virga'; remote((x) => x)"

describe('code without a module', () => {
  test.each([
    ['node -e', { nodeArgs: ['--input-type=module', '-e', CODE] }],
    ['standard input', { nodeArgs: ['--input-type=module', '-'], input: CODE }],
    ['node -p', { nodeArgs: ['-p', "require('virga').remote((x) => x)"] }],
    ['the REPL', { nodeArgs: ['-i'], input: "require('virga').remote((x) => x)\n" }],
  ])('from %s is a UsageError that says so', async (_, start) => {
    const end = await runProgram(start)
    expect(end.stdout + end.stderr).toMatch(
      /UsageError: remote\(\) was called by code that is in no file/,
    )
    expect(end.stdout + end.stderr).toContain('Put the function into a file')
  })
})

describe('a worker that cannot find the function', () => {
  test.each([
    ['after the driver read it', 'changed.ts'],
    ['between remote() and init()', 'changed-before-init.ts'],
  ])('B13: because the file was edited %s, names both versions', async (_, file) => {
    project = new TemporaryProject(file)
    const error = await resultOf({ file: project.path(file) })
    expect(error).toMatchObject({
      code: 'ERR_FUNCTION_NOT_FOUND',
      data: {
        name: 'square',
        foundName: 'square',
        hash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
        foundHash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      },
    })
    expect(error).toMatchObject({ message: expect.stringContaining('The file changed') as string })
  })

  test('because the module cannot be imported there, names the module and the error', async () => {
    project = new TemporaryProject('cannot-import.ts')
    const file = project.path('cannot-import.ts')
    const error = await resultOf({ file, args: [project.path('made')] })
    expect(error).toMatchObject({ code: 'ERR_FUNCTION_NOT_FOUND' })
    expect(error).toMatchObject({
      message: expect.stringMatching(
        /cannot import file:.*cannot-import\.ts.*EEXIST.*init\(\)/s,
      ) as string,
    })
  })

  test('because a server above init() listens in every worker, explains EADDRINUSE', async () => {
    const error = await resultOf({ file: 'port-in-use.ts', args: [String(await freePort())] })
    expect(error).toMatchObject({
      code: 'ERR_FUNCTION_NOT_FOUND',
      message: expect.stringMatching(
        /EADDRINUSE.*The driver already listens there.*await init\(\)/s,
      ) as string,
    })
  })

  test('because remote() stands below init(), says where to put it', async () => {
    const error = await resultOf({ file: 'below-init.ts' })
    expect(error).toMatchObject({
      code: 'ERR_FUNCTION_NOT_FOUND',
      message: expect.stringMatching(/it knows 'early' of it\. .*above init\(\)/s) as string,
    })
  })
})

describe('a server above init() that nobody waits for', () => {
  test('does not keep a worker from running functions that are registered', async () => {
    const result = await resultOf({
      file: 'port-in-use-unwaited.ts',
      args: [String(await freePort())],
    })
    expect(result).toEqual({ squared: 4 })
  })
})

describe('a bundle that contains virga itself', () => {
  test.each(['esm', 'cjs'] as const)(
    'as %s is a UsageError that names the option',
    async (format) => {
      project = new TemporaryProject()
      const outfile = project.path(format === 'esm' ? 'bundle.mjs' : 'bundle.cjs')
      await build({
        entryPoints: [`${FIXTURES}/lazy-tasks.ts`],
        outfile,
        bundle: true,
        format,
        platform: 'node',
        logLevel: 'error',
        logOverride: { 'empty-import-meta': 'silent' },
        external: ['koffi', 'pino', 'esbuild'],
        absWorkingDir: FIXTURES,
      })
      const end = await runProgram({ file: outfile })
      expect(end.code).not.toBe(0)
      expect(end.stderr).toContain('--external:virga')
    },
  )
})
