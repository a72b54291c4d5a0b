// `npm start`: the tour. Runs examples/tour.ts as a user would, by `virga run`, which shows on a
// terminal what the tasks do.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'

const root = dirname(import.meta.dirname)
const command = join(root, 'dist/cli.js')
const tour = join(root, 'examples/tour.ts')
for (const file of [command, tour]) {
  if (!existsSync(file)) throw new Error(`There is no ${file}: npm run build makes dist/.`)
}
const child = spawn(process.execPath, [command, 'run', tour, ...process.argv.slice(2)], {
  cwd: join(root, 'examples'),
  stdio: 'inherit',
})
process.on('SIGINT', () => undefined) // the terminal tells the tour itself; wait for its end
for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal]
})
