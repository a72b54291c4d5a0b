// Golden traces: each file in traces/ is a play, events above the line and effects below it.
//   npm test -- test/unit/raylet/traces.test.ts --update   accepts what the brain does now
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { play } from './play.ts'

const FOLDER = join(import.meta.dirname, 'traces')

describe('golden traces', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))

  test('there are some', () => {
    expect(files.length).toBeGreaterThan(4)
  })

  for (const file of files) {
    test(file, async () => {
      const path = join(FOLDER, file)
      await expect(play(readFileSync(path, 'utf8'))).toMatchFileSnapshot(path)
    })
  }
})
