// `npm run emulator [-- --engine ministack|moto|dynamodb-local] [--port 4566]`: an emulator of AWS
// on this machine until Ctrl-C, for trying things by hand. The tests start their own.
import { parseArgs } from 'node:util'
import { ENGINES, type EngineName } from './engines.ts'
import { startEngine } from './start.ts'

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'ministack' },
    port: { type: 'string', default: '4566' },
  },
})
if (!Object.hasOwn(ENGINES, values.engine)) {
  throw new Error(`--engine is one of ${Object.keys(ENGINES).join(', ')}`)
}
const emulator = await startEngine(values.engine as EngineName, { port: Number(values.port) })
if ('missing' in emulator) {
  process.stderr.write(`${emulator.missing}\n`)
  process.exit(1)
}
process.stdout.write(`${emulator.engine} answers at ${emulator.endpoint}; Ctrl-C ends it.\n`)
process.once('SIGINT', () => void emulator.stop())
