// A process that dies without warning: two children, of which one has already ended.
import { spawn } from 'node:child_process'
import { Sentinel } from '../../../runtime/raylet/sentinel-process.ts'

const sentinel = new Sentinel(process.argv[2] ?? '')
const endless = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore', detached: true })
const other = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore', detached: true })
for (const { pid } of [endless, other]) sentinel.watch(pid ?? 0)
sentinel.forget(other.pid ?? 0)
setTimeout(() => {
  process.stdout.write(`${String(endless.pid)} ${String(other.pid)}\n`)
}, 50)
setInterval(() => undefined, 1000)
