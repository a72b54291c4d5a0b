// The ten lines to begin with: the first program of the README.
import { init, remote, get } from 'virga'

// At the top level of a module, because every worker imports that module too.
const square = remote((x: number) => x * x)

await init() // a whole cluster on this machine; what stands below runs in the driver only
const refs = [1, 2, 3].map((x) => square.remote(x)) // returns at once
console.log(await get(refs)) // [1, 4, 9]
console.log(await square.run(4)) // 16: submit and get in one
