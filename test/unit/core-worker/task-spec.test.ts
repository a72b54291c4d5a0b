// The spec of a task as bytes: whoever reads them can run it, with the same ids.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ProtocolError } from '../../../runtime/common/errors.ts'
import { fromHex, toHex, type ObjectId } from '../../../runtime/common/ids.ts'
import { decodeSpec, encodeSpec, type TaskSpec } from '../../../runtime/core-worker/task-spec.ts'
import { put, wait } from '../../../sdk/get-put-wait.ts'
import { MemoryCluster } from '../../support/memory-cluster.ts'
import * as fn from './lost-functions.ts'

let cluster: MemoryCluster
beforeEach(async () => {
  cluster = await MemoryCluster.start()
})
afterEach(() => cluster.stop())

describe('a spec that was encoded', () => {
  it('is the same when it is read: what runs, with what, how often yet, for which ids', () =>
    cluster.run(async () => {
      const array = await put(fn.made(1))
      const ref = fn.plus.options({ maxRetries: 7, name: 'shown' }).remote(array, 2)
      await wait([ref])
      const spec = cluster.driver.lineage.find(fromHex(ref.id) as ObjectId)?.spec as TaskSpec
      const { plainCodec } = cluster.driver.deps
      const read = decodeSpec(cluster.driver, encodeSpec(plainCodec, spec, 'at-somebody'))
      expect(read.scope.childTaskId(read.index)).toBe(spec.scope.childTaskId(spec.index))
      expect(read.args.equals(spec.args)).toBe(true)
      expect(read).toMatchObject({ attempt: 0, retriesLeft: 7 })
      const dependency = { objectId: fromHex(array.id), ownerAddress: 'at-somebody' }
      expect(read.dependencies).toEqual([dependency])
      const { kind } = read
      const { name, maxRetries, scheduling, resources } = spec.kind
      expect(kind).toMatchObject({ kind: 'task', name, maxRetries, scheduling, resources })
      expect(kind.identity()).toEqual(spec.kind.identity())
      expect(toHex(kind.jobId())).toBe(toHex(cluster.driver.jobId))
    }))

  it('is refused when it is none', () => {
    const { plainCodec } = cluster.driver.deps
    const broken = plainCodec.encode({ index: 0 }, 'spec').toBytes()
    expect(() => decodeSpec(cluster.driver, broken)).toThrow(ProtocolError)
  })
})
