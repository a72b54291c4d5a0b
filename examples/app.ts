import { init, remote, get } from 'virga'

const square = remote((x: number) => x * x) // top level of a module: every worker imports that module too

await init() // no address: a whole cluster on this machine; what stands below it runs in the driver only
const refs = [1, 2, 3].map((x) => square.remote(x)) // returns at once
console.log(await get(refs)) // [1, 4, 9]
console.log(await square.run(4)) // 16: submit and get in one
