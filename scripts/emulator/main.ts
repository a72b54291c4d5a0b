// `npm run emulator [-- --engine ministack|moto|dynamodb-local] [--port 4566]`: an emulator of AWS
// on this machine until Ctrl-C, for trying things by hand. The tests start their own.
// `npm run emulator -- --image [-- COMMAND ARGS]`: an image of one, on Docker's engine, for as long
// as COMMAND runs, which finds both in its environment; without a command until Ctrl-C.
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { startDocker } from './docker.ts'
import { ENGINES, type EngineName } from './engines.ts'
import { makeImage } from './image.ts'
import { startEngine } from './start.ts'

/** This machine cannot have it. Source: sysexits.h, EX_UNAVAILABLE. */
const EXIT_UNAVAILABLE = 69

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: 'string', default: 'ministack' },
    port: { type: 'string', default: '4566' },
    image: { type: 'boolean', default: false },
  },
})

async function serve(): Promise<void> {
  if (!Object.hasOwn(ENGINES, values.engine)) {
    throw new Error(`--engine is one of ${Object.keys(ENGINES).join(', ')}`)
  }
  const emulator = await startEngine(values.engine as EngineName, { port: Number(values.port) })
  if ('missing' in emulator) {
    fail(emulator.missing)
    return
  }
  process.stdout.write(`${emulator.engine} answers at ${emulator.endpoint}; Ctrl-C ends it.\n`)
  process.once('SIGINT', () => void emulator.stop())
}

async function image(): Promise<void> {
  const engine = await startDocker()
  if ('missing' in engine) {
    fail(engine.missing)
    return
  }
  const made = await makeImage(engine.host)
  if ('missing' in made) fail(made.missing)
  else await untilOver({ DOCKER_HOST: engine.host, VIRGA_TEST_LOCALSTACK_IMAGE: made.image })
  await engine.stop()
}

async function untilOver(env: Readonly<Record<string, string | undefined>>): Promise<void> {
  const [command, ...args] = positionals
  if (command === undefined) {
    for (const [name, value] of Object.entries(env)) {
      if (value !== undefined) process.stdout.write(`export ${name}=${value}\n`)
    }
    process.stdout.write('Ctrl-C ends it.\n')
    const awake = setInterval(() => undefined, 2 ** 30)
    await new Promise((resolve) => process.once('SIGINT', resolve))
    clearInterval(awake)
    return
  }
  const child = spawn(command, args, { stdio: 'inherit', env: { ...process.env, ...env } })
  process.exitCode = await new Promise<number>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => {
      resolve(code ?? 1)
    })
  })
}

function fail(why: string): void {
  process.stderr.write(`${why}\n`)
  process.exitCode = EXIT_UNAVAILABLE
}

await (values.image ? image() : serve())
