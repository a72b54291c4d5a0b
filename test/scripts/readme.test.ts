// The README's table of what is promised says of each row which test shows it: that one is there.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')

test('each promise on a loss links a test that has its words in it', () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const [, section = ''] = readme.split('\n## What is promised when something is lost\n')
  const [table = ''] = section.split('\n## ')
  const rows = table.split('\n').filter((line) => /^\| [^|-]/.test(line))
  const promises = rows.slice(1) // below the heads
  expect(promises.length).toBeGreaterThanOrEqual(5)
  for (const row of promises) {
    const links = [...row.matchAll(/\[([^\]]+)\]\((test\/[^)]+)\)/g)]
    expect(links, row).not.toEqual([])
    for (const [, words = '', path = ''] of links) {
      expect(readFileSync(join(ROOT, path), 'utf8'), `${path} has no '${words}'`).toContain(words)
    }
  }
})
