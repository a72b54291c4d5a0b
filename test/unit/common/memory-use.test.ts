// Who used the memory, in words.
import { expect, test } from 'vitest'
import { describeMemoryUse } from '../../../runtime/common/memory-use.ts'

const MB = 1_000_000

test('names the limit, the node and its largest users', () => {
  const top = [
    { name: 'hog', pid: 12, rssBytes: 900 * MB },
    { name: 'an idle worker', pid: 13, rssBytes: 50 * MB },
  ]
  const use = { usedBytes: 15_600 * MB, totalBytes: 16_000 * MB, limitBytes: 600 * MB, top }
  expect(describeMemoryUse(use)).toBe(
    'Its limit was 600 MB. The node used 15600 MB of 16000 MB; ' +
      'most by hog (pid 12) 900 MB, an idle worker (pid 13) 50 MB. ',
  )
})

test('says nothing where nobody looked', () => {
  expect(describeMemoryUse(undefined)).toBe('')
})
