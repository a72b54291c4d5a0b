// The lecture's first program: two arrays of zeros are made at the same time, and their product
// waits for both. `multiply` gets refs and sees arrays: it is not scheduled until they are ready,
// and `get` waits until it has finished.
import { deepStrictEqual } from 'node:assert/strict'
import { get, init, remote } from 'virga'
import { compare, timed } from './compare.ts'

type Matrix = number[][]

const makeZeros = ([rows, columns]: [number, number]): Matrix =>
  Array.from({ length: rows }, () => new Array<number>(columns).fill(0))

const dot = (x: Matrix, y: Matrix): Matrix =>
  x.map((row) =>
    (y[0] ?? []).map((_, j) => row.reduce((sum, xik, k) => sum + xik * (y[k]?.[j] ?? 0), 0)),
  )

const zeros = remote(makeZeros, { name: 'zeros' })
const multiply = remote(dot, { name: 'multiply' })

await init()

const cluster = await timed(async () => {
  const xId = zeros.remote([100, 100])
  const yId = zeros.remote([100, 100])
  const zId = multiply.remote(xId, yId)
  return await get(zId)
})
const z = cluster.value
console.log(`z has ${z.length} rows of ${z[0]?.length}, and its sum is ${z.flat().reduce(add, 0)}`)

const single = await timed(() => dot(makeZeros([100, 100]), makeZeros([100, 100])))
deepStrictEqual(z, single.value)
compare({ cluster, single, singleIs: 'too little work to share: a cluster costs more here' })

function add(a: number, b: number): number {
  return a + b
}
