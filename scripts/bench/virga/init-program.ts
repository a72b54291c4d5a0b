// A program's first result from cold: prints the milliseconds from before init() to after get().
import { get, init, remote, shutdown } from 'virga'

const smallValue = remote(() => 'ok')

const startedAtMs = performance.now()
await init({ address: 'local' })
await get(smallValue.remote())
process.stdout.write(`${performance.now() - startedAtMs}\n`)
await shutdown()
