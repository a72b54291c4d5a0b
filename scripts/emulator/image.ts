// An image of MiniStack that answers as LocalStack's does, on port 4566, made from Debian's packages
// of Python and the engine of PyPI: from nothing that needs a registry of images.
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { docker } from './docker.ts'
import { reasonOf } from './reason-of.ts'
import { ENGINES, installEngine, installOnce } from './engines.ts'

const run = promisify(execFile)

const ROOTS = ['python3-minimal', 'libpython3-stdlib']
const NOT_NEEDED = ['recommends', 'suggests', 'conflicts', 'breaks', 'replaces', 'enhances']
const { version } = ENGINES.ministack
const IMAGE = `virga-emulator:${version}`
const PORT = 4566
const CHANGES = [
  'ENTRYPOINT ["/usr/bin/python3", "-c", "from ministack.app import main; main()"]',
  `ENV PYTHONPATH=/opt/ministack GATEWAY_PORT=${PORT} BIND_HOST=0.0.0.0 S3_DATA_DIR=/tmp/s3`,
  `EXPOSE ${PORT}`,
]

/** @returns its name on that engine, or in one sentence why it cannot be had. */
export async function makeImage(
  host: string | undefined,
): Promise<{ image: string } | { missing: string }> {
  const made = await installOnce('image', { version, install })
  if ('missing' in made) return made
  const changes = CHANGES.flatMap((change) => ['--change', change])
  const alone = ['run', '--rm', '--entrypoint', '/usr/bin/python3', IMAGE, '-c', 'import ministack']
  try {
    await docker(host, 'import', ...changes, join(made.folder, 'root.tar'), IMAGE)
    // Not every machine that has the engine may start containers.
    await docker(host, ...alone)
    return { image: IMAGE }
  } catch (error) {
    return { missing: `no container of ${IMAGE} runs here: ${reasonOf(error)}` }
  }
}

/** Leaves `root.tar`: the files of the image. */
async function install(folder: string): Promise<void> {
  const engine = await installEngine('ministack')
  if ('missing' in engine) throw new Error(engine.missing)
  const [packages, root] = [join(folder, 'packages'), join(folder, 'root')]
  for (const each of [packages, root]) mkdirSync(each, { recursive: true })
  const options = NOT_NEEDED.map((kind) => `--no-${kind}`)
  const { stdout } = await run('apt-cache', ['depends', '--recurse', ...options, ...ROOTS])
  const names = new Set(stdout.split('\n').filter((line) => /^[a-z0-9]/.test(line)))
  await run('apt-get', ['download', '-qq', ...names], { cwd: packages })
  for (const name of readdirSync(packages)) {
    await run('dpkg-deb', ['--extract', join(packages, name), root])
  }
  // For the Python of the image, whatever that of this machine is.
  const python = readlinkSync(join(root, 'usr/bin/python3')).replace('python', '')
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
  const target = ['--target', join(root, 'opt/ministack'), '--python-version', python]
  await run(join(engine.folder, 'bin', 'python'), [
    ...[...pip, ...target, '--only-binary=:all:', `ministack==${version}`],
  ])
  mkdirSync(join(root, 'tmp'))
  await run('tar', ['--create', '--file', join(folder, 'root.tar'), '--directory', root, '.'])
  for (const each of [packages, root]) rmSync(each, { recursive: true })
}
