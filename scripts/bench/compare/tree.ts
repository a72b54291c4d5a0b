// A commit, built in a tree of its own in the user's cache folder, with this tree's bench in it: both
// commits are then measured by one harness, and rows that are newer than a commit work on it too.
import { execFile } from 'node:child_process'
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from '../../cache-folder.ts'
import { sweepLeftovers } from '../leftovers.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../../..')
const BENCH = 'scripts/bench'
const LOCK = 'package-lock.json'
const PACKAGES = 'node_modules'

/**
 * @param revision anything that git takes for a commit
 * @returns its whole name, or nothing when there is no such commit.
 */
export async function findCommit(revision: string): Promise<string | undefined> {
  const name = `${revision}^{commit}`
  try {
    return await git('rev-parse', '--verify', '--quiet', '--end-of-options', name)
  } catch (error) {
    if (typeof (error as { code?: unknown }).code === 'number') return undefined // git said so
    throw error
  }
}

/**
 * @param commit its whole name
 * @returns the folder of its tree.
 * @throws Error when it does not build.
 */
export async function openTree(commit: string, say: (line: string) => void): Promise<string> {
  const folder = join(cacheFolder('virga-bench'), 'trees')
  const root = join(folder, commit)
  if (!existsSync(root)) {
    say(`Building ${commit.slice(0, 12)}.`)
    mkdirSync(folder, { recursive: true })
    sweepLeftovers(folder, /\.part-(\d+)$/)
    const part = join(folder, `${commit}.part-${process.pid}`)
    await build(commit, part)
    renameSync(part, root)
  }
  // A link leads to the packages of a checkout that may be gone since, or have others by now.
  if (!hasOwnPackages(root)) await install(root)
  rmSync(join(root, BENCH), { recursive: true })
  cpSync(join(ROOT, BENCH), join(root, BENCH), { recursive: true })
  return root
}

async function build(commit: string, root: string): Promise<void> {
  mkdirSync(root, { recursive: true })
  const archive = join(root, 'commit.tar')
  await git('archive', '--output', archive, commit)
  await run('tar', ['-xf', archive, '-C', root])
  rmSync(archive)
  await install(root)
  await run(process.execPath, ['scripts/build.ts'], { cwd: root })
}

/** Most commits need the very packages that are here already. */
async function install(root: string): Promise<void> {
  rmSync(join(root, PACKAGES), { force: true })
  const same = readFileSync(join(root, LOCK)).equals(readFileSync(join(ROOT, LOCK)))
  if (same) symlinkSync(join(ROOT, PACKAGES), join(root, PACKAGES))
  else await run('npm', ['ci', '--ignore-scripts'], { cwd: root })
}

const hasOwnPackages = (root: string): boolean =>
  lstatSync(join(root, PACKAGES), { throwIfNoEntry: false })?.isDirectory() === true

async function git(...args: string[]): Promise<string> {
  const { stdout } = await run('git', args, { cwd: ROOT })
  return stdout.trim()
}
