// The part of the tidy gate that reads package.json files and the lockfile.
//   PK1. Every version is exact, so that two clones of one commit are the same program.
//   PK2. The lockfile and the scripts name no registry: a mirror must be able to serve them.
//   PK3. What the package depends on, its code imports; what the project depends on, it uses.
//   PK4. Every dependency has its reason in DECISIONS.md.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { filesUnder, foldersOf } from './gate.ts'

const MANIFESTS = ['package.json', 'examples/package.json', 'scripts/bundled-node/package.json']
const SECTIONS = ['dependencies', 'devDependencies', 'optionalDependencies'] as const
const EXACT = /^(?:npm:(?:@[\w.-]+\/)?[\w.-]+@)?\d+\.\d+\.\d+(?:-[\w.]+)?$|^file:/
const PRODUCT = /^(?:runtime|sdk|cli)\//

interface Manifest {
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

export function packages(root: string): string[] {
  const present = MANIFESTS.filter((path) => existsSync(join(root, path)))
  const problems = present.flatMap((path) => manifestProblems(path, readManifest(root, path)))
  const manifest = present.includes('package.json') ? readManifest(root, 'package.json') : {}
  return [
    ...problems,
    ...lockfileProblems(root),
    ...unusedProblems(root, manifest),
    ...undecidedProblems(root, manifest),
  ]
}

const readManifest = (root: string, path: string): Manifest =>
  JSON.parse(readFileSync(join(root, path), 'utf8')) as Manifest

function manifestProblems(path: string, manifest: Manifest): string[] {
  const loose = SECTIONS.flatMap((section) => Object.entries(manifest[section] ?? {}))
    .filter(([, version]) => !EXACT.test(version))
    .map(([name, version]) => `${path}: [exact-versions] ${name} is ${version}: pin it`)
  const naming = Object.entries(manifest.scripts ?? {})
    .filter(([, command]) => /https?:\/\/|--registry/.test(command))
    .map(([name]) => `${path}: [no-registry-host] the script ${name} names a host`)
  return [...loose, ...naming]
}

function lockfileProblems(root: string): string[] {
  const path = 'package-lock.json'
  if (!existsSync(join(root, path))) return [`${path}: [lockfile] is missing: run npm install`]
  if (!readFileSync(join(root, path), 'utf8').includes('"resolved": "http')) return []
  return [`${path}: [no-registry-host] it names a host: keep .npmrc and install again`]
}

function unusedProblems(root: string, manifest: Manifest): string[] {
  const paths = foldersOf(root).flatMap((folder) => filesUnder(root, folder))
  const code = paths.filter((path) => /\.[cm]?[jt]s$/.test(path))
  const read = (path: string): string => readFileSync(join(root, path), 'utf8')
  const product = code
    .filter((path) => PRODUCT.test(path))
    .map(read)
    .join('\n')
  const other = code
    .filter((path) => !PRODUCT.test(path))
    .map(read)
    .join('\n')
  const mentions = (text: string, name: string): boolean =>
    text.includes(`'${name}`) || text.includes(`${name}/`)
  const shipped = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
  const dead = shipped.filter((name) => !AMBIENT.has(name) && !mentions(product, name))
  const idle = Object.keys(manifest.devDependencies ?? {}).filter(
    (name) => !AMBIENT.has(name) && !shipped.includes(name) && !mentions(other, name),
  )
  return [...dead, ...idle].map((name) => `package.json: [unused-dependency] remove ${name}`)
}

/** Read by other tools and imported by nobody. */
const AMBIENT = new Set(['@types/node', 'typescript', 'oxlint-tsgolint'])

function undecidedProblems(root: string, manifest: Manifest): string[] {
  const path = join(root, 'DECISIONS.md')
  const decisions = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const names = SECTIONS.flatMap((section) => Object.keys(manifest[section] ?? {}))
  return names
    .filter((name) => !decisions.includes(`\`${name}\``))
    .map((name) => `DECISIONS.md: [dependency-needs-decision] say why ${name}, in backticks`)
}
