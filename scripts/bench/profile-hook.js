// Loaded into every process of a profiled row, by NODE_OPTIONS: the first SIGUSR2 starts sampling,
// the second writes PROFILE_FOLDER/PID.cpuprofile. By signal, not --cpu-prof, so that warm-up stays
// out of it and a worker that is killed at the end has been heard before. A raylet takes no
// NODE_OPTIONS from its driver, so here the driver gives it this file as an argument.
import childProcess from 'node:child_process'
import { writeFileSync, renameSync } from 'node:fs'
import { Session } from 'node:inspector'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'

const SAMPLE_EVERY_US = 250

const { spawn } = childProcess
childProcess.spawn = (file, args, options) => {
  const isRaylet = args.some((arg) => arg.includes('raylet-main'))
  return spawn(file, isRaylet ? [`--import=${import.meta.url}`, ...args] : args, options)
}
syncBuiltinESMExports()

const session = new Session()
let sampling = false
process.on('SIGUSR2', toggleSampling)

/** Left out of every profile by its name (cpu-profile.ts). */
function toggleSampling() {
  if (sampling) write()
  else start()
  sampling = !sampling
}

function start() {
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.setSamplingInterval', { interval: SAMPLE_EVERY_US })
  session.post('Profiler.start')
}

function write() {
  session.post('Profiler.stop', (error, result) => {
    if (error !== null) throw error
    const path = join(process.env['PROFILE_FOLDER'] ?? '', `${process.pid}.cpuprofile`)
    writeFileSync(`${path}.part`, JSON.stringify(result.profile))
    renameSync(`${path}.part`, path) // whole, or not there
    session.disconnect()
  })
}
