// Objects with the processes that made them.
import { describe, expect, it } from 'vitest'
import { withCreators } from '../../../cli/objects.ts'

const WORKER_ID = '00000003aabbccddeeff00110001'

describe('withCreators', () => {
  it('names the worker or driver that made an object, and its job', () => {
    const object = (creator: string, index = 0) => ({
      objectId: `${'0'.repeat(24)}0a0b0c0d0${String(index)}000080`,
      creator,
      sizeBytes: 1,
    })
    const rows = withCreators(
      [...[WORKER_ID, 'd1', 'd2', 'x'].map(object), object('raylet of another node', 1)],
      {
        workers: [{ workerId: WORKER_ID, pid: 7 }],
        jobs: [
          { driverId: 'd1', driverPid: 9, name: 'app.ts' },
          { driverId: 'd2', driverPid: null, name: 'old.ts' },
        ],
        nodeCount: 2,
      },
    )
    expect(rows.map((row) => row['creator'])).toEqual([
      ...[
        'worker 7 (00000003aabbccdd)',
        'driver 9 (app.ts)',
        'ended driver (old.ts)',
        'ended worker',
      ],
      'driver 9 (app.ts)', // a copy of the second
    ])
    expect(rows[0]).toEqual({
      objectId: object('').objectId,
      sizeBytes: 1,
      creator: 'worker 7 (00000003aabbccdd)',
      jobId: '0a0b0c0d',
    })
  })
})
