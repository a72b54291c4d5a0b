// The emulators of AWS that the tests run against, each installed once into the user's cache folder.
//   ministack       PyPI; DynamoDB, S3, EC2, Lambda …: the one most tests use
//   moto            PyPI; a second opinion, for small tables
//   dynamodb-local  Maven; AWS's own, the arbiter of what DynamoDB means; needs Java and mvn
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from '../cache-folder.ts'
import { withLock } from './lock.ts'
import { reasonOf } from './reason-of.ts'

const run = promisify(execFile)

export type EngineName = 'ministack' | 'moto' | 'dynamodb-local'

export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

export interface Engine {
  readonly version: string
  /** Installs that version into `folder`; may be repeated. */
  readonly install: (folder: string, version: string) => Promise<void>
  readonly launch: (folder: string, port: number) => Launch
}

/** One request at a time: with threads, two conditional updates of a new row both win in moto. */
const MOTO_SERVER = `
import sys
from werkzeug.serving import run_simple
from moto.server import DomainDispatcherApplication, create_backend_app
application = DomainDispatcherApplication(create_backend_app)
run_simple('127.0.0.1', int(sys.argv[1]), application, threaded=False)`

export const ENGINES: Readonly<Record<EngineName, Engine>> = {
  ministack: {
    version: '1.5.33',
    install: (folder, version) => makeVenv(folder, `ministack==${version}`),
    launch: (folder, port) => ({
      command: join(folder, 'bin', 'ministack'),
      args: [],
      env: { GATEWAY_PORT: String(port), BIND_HOST: '127.0.0.1' },
    }),
  },
  moto: {
    version: '5.2.5',
    install: (folder, version) => makeVenv(folder, `moto[server]==${version}`),
    launch: (folder, port) => ({
      command: join(folder, 'bin', 'python'),
      args: ['-c', MOTO_SERVER, String(port)],
      env: {},
    }),
  },
  'dynamodb-local': {
    version: '2.6.1',
    install: fetchDynamoDbLocal,
    launch: (folder, port) => ({
      command: 'java',
      args: [
        `-Djava.library.path=${join(folder, 'lib')}`,
        // Its working directory: what it unpacks goes with that. Java does not heed TMPDIR.
        '-Djava.io.tmpdir=.',
        '-XX:-UsePerfData',
        '-Xmx512m',
        '-cp',
        join(folder, 'lib', '*'),
        'com.amazonaws.services.dynamodbv2.local.main.ServerRunner',
        '-inMemory',
        '-disableTelemetry',
        '-port',
        String(port),
      ],
      env: {},
    }),
  },
}

/**
 * @param engine  what is installed, unless that version is there. Default: the one of its name.
 * @returns where the engine is, or in one sentence why it cannot be had.
 */
export async function installEngine(
  name: EngineName,
  engine: Engine = ENGINES[name],
): Promise<{ folder: string } | { missing: string }> {
  return await installOnce(name, engine)
}

/** Into the user's cache folder, beside other versions of it. */
export async function installOnce(
  name: string,
  { version, install }: Pick<Engine, 'version' | 'install'>,
): Promise<{ folder: string } | { missing: string }> {
  const cache = cacheFolder('virga-emulator')
  const folder = join(cache, `${name}-${version}`)
  mkdirSync(cache, { recursive: true })
  try {
    await withLock(`${folder}.lock`, async () => {
      // Half an installation would be taken for a whole one the next time.
      if (existsSync(join(folder, 'complete'))) return
      rmSync(folder, { recursive: true, force: true })
      await install(folder, version)
      writeFileSync(join(folder, 'complete'), '')
    })
    return { folder }
  } catch (error) {
    return { missing: `${name} cannot be installed: ${reasonOf(error).split('\n').at(-1)}` }
  }
}

async function makeVenv(folder: string, requirement: string): Promise<void> {
  await run('python3', ['-m', 'venv', folder])
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
  await run(join(folder, 'bin', 'python'), [...pip, requirement])
}

async function fetchDynamoDbLocal(folder: string, version: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  await run('java', ['-version'])
  const pom = `<project><modelVersion>4.0.0</modelVersion>
<groupId>virga</groupId><artifactId>emulator</artifactId><version>1</version><dependencies>
<dependency><groupId>com.amazonaws</groupId><artifactId>DynamoDBLocal</artifactId>
<version>${version}</version></dependency></dependencies></project>\n`
  writeFileSync(join(folder, 'pom.xml'), pom)
  const copy = ['--quiet', '--file', join(folder, 'pom.xml'), 'dependency:copy-dependencies']
  await run('mvn', [...copy, `-DoutputDirectory=${join(folder, 'lib')}`])
}
