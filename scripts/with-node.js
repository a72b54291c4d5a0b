// Runs a script of this project under the right Node: `node scripts/with-node.js SCRIPT [ARGS]`.
// The Node that npm installed (node_modules/node-linux-*) comes first, so that every contributor
// and every machine measures the same engine. Where none fits (macOS, other processors), the
// user's own Node must be 22.18 or newer, the first that strips types without a flag.
// Plain JavaScript: it is the one file that older Nodes have to be able to read.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [script, ...args] = process.argv.slice(2)
if (script === undefined) refuse('Say which script to run: node scripts/with-node.js SCRIPT [ARGS]')

const node = findNode()
const child = spawn(node, [join(root, script), ...args], {
  stdio: 'inherit',
  env: { ...process.env, PATH: dirname(node) + delimiter + (process.env.PATH ?? '') },
})
// The terminal sends Ctrl-C to the whole group, the child included: wait for it, so that its
// own cleaning up is seen to the end. A signal sent to us alone is passed on.
process.on('SIGINT', () => {})
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('error', (error) => refuse(`Cannot start ${node}: ${error.message}. Run npm ci again.`))
child.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 128 + (constants.signals[signal] ?? 0)
})

function findNode() {
  const bundled = join(root, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin/node')
  if (existsSync(bundled)) return bundled
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 22 || (major === 22 && minor >= 18)) return process.execPath
  return refuse(
    `Virga needs Node 22.18 or newer, and this is Node ${process.versions.node}. ` +
      'On Linux, npm ci without --omit=optional brings the right one; elsewhere, install Node 24.',
  )
}

function refuse(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
