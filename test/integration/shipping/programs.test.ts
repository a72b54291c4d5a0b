// Function shipping end to end: each kind of program that a user may write finds its functions in
// the workers. All programs are in fixtures/ and run as they are, against dist/.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { afterEach, describe, expect, test } from 'vitest'
import { FIXTURES, TemporaryProject, resultOf } from './run-program.ts'

let project: TemporaryProject | undefined
afterEach(() => {
  project?.remove()
  project = undefined
})

const TSX = ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href]

describe('a program of one file', () => {
  test("as .ts, by Node's own type stripping: what stands below init() runs once", async () => {
    const result = await resultOf({ file: 'one-file.ts' })
    expect(result).toMatchObject({ square: 16, isElsewhere: true })
  })

  test("shows the user's own TypeScript line in the stack of a remote error", async () => {
    const result = await resultOf({ file: 'one-file.ts' })
    expect(result).toMatchObject({
      stack: expect.stringMatching(/RangeError: a bug in the task[^]*one-file\.ts:13:9/) as string,
    })
  })

  test.each(['always-module.mts', 'typed-commonjs.cts', 'javascript.mjs', 'commonjs.cjs'])(
    'as %s',
    async (file) => {
      expect(await resultOf({ file })).toEqual({ square: 16, isElsewhere: true })
    },
  )

  test('as .ts of a package that does not say what its files are', async () => {
    project = new TemporaryProject('one-file.ts')
    project.write('package.json', '{}')
    const result = await resultOf({ file: project.path('one-file.ts') })
    expect(result).toMatchObject({ square: 16, isElsewhere: true })
  })

  test.each(['one-file.ts', 'typed-commonjs.cts', 'commonjs.cjs'])(
    'as %s under tsx',
    async (file) => {
      project = new TemporaryProject(file) // away from this project's tsconfig, which tsx obeys
      const result = await resultOf({ nodeArgs: TSX, file: project.path(file) })
      expect(result).toMatchObject({ square: 16, isElsewhere: true })
    },
  )

  test('under tsx a class whose methods are decorated is an actor like others', async () => {
    project = new TemporaryProject('decorated.ts')
    const result = await resultOf({ nodeArgs: TSX, file: project.path('decorated.ts') })
    expect(result).toEqual({ sums: [2, 5], calls: 2, isElsewhere: true, here: 0 })
  })

  test("under tsx shows the user's own TypeScript line too", async () => {
    project = new TemporaryProject('one-file.ts')
    const result = await resultOf({ nodeArgs: TSX, file: project.path('one-file.ts') })
    expect(result).toMatchObject({ stack: expect.stringContaining('one-file.ts:13:9') as string })
  })
})

describe('a bundle made by esbuild, virga external', () => {
  test.each([true, false])('finds its functions, minified: %s', async (minify) => {
    project = await bundled({ minify })
    const result = await resultOf({ file: project.path('bundle.mjs') })
    expect(result).toMatchObject({ square: 16, isElsewhere: true })
  })

  test('as CommonJS', async () => {
    project = new TemporaryProject()
    const entryPoints = [`${FIXTURES}/commonjs.cjs`]
    const outfile = project.path('bundle.cjs')
    await build({ entryPoints, outfile, bundle: true, platform: 'node', external: ['virga'] })
    expect(await resultOf({ file: outfile })).toEqual({ square: 16, isElsewhere: true })
  })

  test('shows the line of the source in the stack of a remote error', async () => {
    project = await bundled({ minify: true })
    const result = await resultOf({ file: project.path('bundle.mjs') })
    expect(result).toMatchObject({ stack: expect.stringContaining('one-file.ts:13:9') as string })
  })
})

async function bundled({ minify }: { minify: boolean }): Promise<TemporaryProject> {
  const made = new TemporaryProject('one-file.ts')
  await build({
    entryPoints: [made.path('one-file.ts')],
    outfile: made.path('bundle.mjs'),
    bundle: true,
    minify,
    format: 'esm',
    platform: 'node',
    external: ['virga'],
    sourcemap: 'linked',
  })
  return made
}

/**
 * A worker that imports tasks.ts comes to the entry first, waits there in init(), and never gets
 * to register the function.
 */
const CYCLE = {
  entry: `
    import { init } from 'virga'
    import { Scaler, scale } from './tasks.ts'
    export const FACTOR = 10
    await init({ address: 'local', numCpus: 1 })
    const scaler = Scaler.remote(3)
    const [first, ...others] = [1, 2, 3, 4].map((x) => scale.run(x))
    console.log(JSON.stringify({
      scaled: await first,
      others: await Promise.all(others),
      actor: await scaler.scale.run(4),
      restarted: await scaler.restarted.run(),
    }))`,
  tasks: `
    import { remote, runtimeContext } from 'virga'
    import { FACTOR } from './cycle.ts'
    export const scale = remote((x: number): number => x * FACTOR)
    class LocalScaler {
      by: number
      constructor(by: number) {
        this.by = by * FACTOR
      }
      scale(x: number): number {
        return x * this.by
      }
      restarted(): boolean {
        return runtimeContext().wasRestarted
      }
    }
    export const Scaler = remote(LocalScaler)`,
}

describe('a program of several modules', () => {
  test('finds functions of a module that the driver imports after init()', async () => {
    expect(await resultOf({ file: 'lazy.ts' })).toEqual({ cube: 27 })
  })

  test('finds functions of a module in an import cycle with the entry', async () => {
    project = new TemporaryProject()
    project.write('cycle.ts', CYCLE.entry)
    project.write('tasks.ts', CYCLE.tasks)
    expect(await resultOf({ file: project.path('cycle.ts') })).toEqual({
      scaled: 10,
      others: [20, 30, 40],
      actor: 120,
      restarted: false,
    })
  })

  test('finds functions that a helper made for it', async () => {
    expect(await resultOf({ file: 'made-elsewhere.ts' })).toEqual({ add: 5, double: 8 })
  })

  test('may be an HTTP server that submits a task per request', async () => {
    expect(await resultOf({ file: 'http-server.ts' })).toEqual({ answers: ['1', '4', '9'] })
  })
})

describe('a worker is started like its driver', () => {
  test('also by NODE_OPTIONS, which its raylet is started without', async () => {
    const env = { NODE_OPTIONS: `--require ${FIXTURES}/preload.cjs --max-old-space-size=300` }
    const result = await resultOf({ file: 'preloaded.mjs', env })
    expect(result).toEqual({ driver: 'yes', worker: 'yes', raylet: false })
  })

  test('except that it loads no TypeScript stripper: the raylet strips for it', async () => {
    expect(await resultOf({ file: 'strippers.ts' })).toEqual({ driver: 1, worker: [] })
  })

  test("with its arguments, environment and Node options, less what is the driver's alone", async () => {
    const result = await resultOf({
      nodeArgs: ['--max-old-space-size=300', '--enable-source-maps', '--inspect-port=0'],
      file: 'arguments.ts',
      args: ['--fast', 'x'],
      env: { VIRGA_TEST_MODE: 'on', NODE_TEST_CONTEXT: 'child' },
    })
    expect(result).toEqual({
      argv: ['--fast', 'x'],
      execArgv: ['--max-old-space-size=300'],
      mode: 'on',
    })
  })
})
