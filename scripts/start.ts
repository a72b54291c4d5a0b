// `npm start`: the tour. Runs examples/tour.ts as a user would, on the Node of this project.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = dirname(import.meta.dirname)
const tour = join(root, 'examples/tour.ts')
if (!existsSync(tour)) throw new Error('There is no examples/tour.ts to run.')
const child = spawn(process.execPath, [tour, ...process.argv.slice(2)], {
  cwd: join(root, 'examples'),
  stdio: 'inherit',
})
process.on('SIGINT', () => undefined) // the terminal tells the tour itself; wait for its end
child.on('exit', (code) => {
  process.exitCode = code ?? 1
})
