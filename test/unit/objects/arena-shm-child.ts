// Another process of the node, for arena-shm.test.ts: reads, writes, and waits to be killed.
import { systemClock } from '../../../runtime/common/clock-system.ts'
import { systemFinalization } from '../../../runtime/common/finalization-system.ts'
import { openShmArena } from '../../../runtime/objects/arena-shm.ts'

const MIB = 1024 * 1024
const path = process.env['ARENA_PATH'] ?? ''
const sizeBytes = Number(process.env['ARENA_BYTES'])

const client = openShmArena(path, sizeBytes, {
  clock: systemClock,
  finalization: systemFinalization,
})
const view = client.readable(0, 8 * MIB)
const sum = view.reduce((total, byte) => total + byte, 0)
view.fill(200)
const target = client.writable(8 * MIB, MIB)
target.fill(6)
process.send?.({ sum })
setInterval(() => target.fill(view[0] === 200 ? 6 : 0), 1)
