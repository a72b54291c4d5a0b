// Frames are cut from a byte stream however it arrives.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FRAME_BYTES_MAX } from '../../../runtime/common/limits.ts'
import { FRAME_HEADER_BYTES } from '../../../runtime/protocol/connection.ts'
import { FrameSplitter, sealFrame } from '../../../runtime/protocol/framing.ts'
import { scaled } from '../../support/scale.ts'

const frameOf = (body: Uint8Array): Buffer =>
  sealFrame(Buffer.concat([Buffer.alloc(FRAME_HEADER_BYTES), body]))

test('every frame is handed out once, whole and in order, wherever the stream is cut', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 12 })
  fc.assert(
    fc.property(bodies, fc.array(fc.nat(30), { minLength: 1, maxLength: 20 }), (all, cuts) => {
      const stream = Buffer.concat(all.map(frameOf))
      const found: Buffer[] = []
      const splitter = new FrameSplitter((body) => found.push(Buffer.from(body)))
      for (let at = 0, i = 0; at < stream.length; i += 1) {
        const end = Math.min(stream.length, at + (cuts[i % cuts.length] ?? 0) + 1)
        splitter.push(stream.subarray(at, end))
        at = end
      }
      expect(found).toEqual(all.map((body) => Buffer.from(body)))
    }),
    { numRuns: scaled(5_000) },
  )
})

test('a frame of many chunks arrives as it was, and so does what follows it', () => {
  const large = Buffer.alloc(300_000, 'large frame')
  const stream = Buffer.concat([frameOf(large), frameOf(Buffer.from('next'))])
  const found: string[] = []
  const splitter = new FrameSplitter((body) => found.push(body.toString()))
  for (let at = 0; at < stream.length; at += 65_536) splitter.push(stream.subarray(at, at + 65_536))
  expect(found).toEqual([large.toString(), 'next'])
})

test('B02 B04: a length beyond the limit and a wrong checksum are refused, also byte by byte', () => {
  const tooLong = Buffer.alloc(FRAME_HEADER_BYTES)
  tooLong.writeUInt32LE(FRAME_BYTES_MAX + 1)
  const damaged = frameOf(Buffer.from('body'))
  damaged[FRAME_HEADER_BYTES] = 0
  for (const [stream, error] of [
    [tooLong, 'exceeds the limit'],
    [damaged, 'wrong checksum'],
  ] as const) {
    for (const step of [1, stream.length]) {
      const splitter = new FrameSplitter(() => expect.unreachable())
      const pushAll = (): void => {
        for (let at = 0; at < stream.length; at += step)
          splitter.push(stream.subarray(at, at + step))
      }
      expect(pushAll).toThrow(error)
    }
  }
})
