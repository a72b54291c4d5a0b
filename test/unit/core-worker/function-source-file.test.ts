// Home modules on disk: the driver's main module, and the bytes of a home.
import { mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findEntry, readHomeFile } from '../../../runtime/core-worker/function-source-file.ts'

let folder = ''
beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'virga-entry-')))
  writeFileSync(join(folder, 'app.js'), 'text')
  symlinkSync(join(folder, 'app.js'), join(folder, 'link.js'))
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

test('the entry is the main module under its real path, as Node loads it', () => {
  const home = pathToFileURL(join(folder, 'app.js')).href
  expect(findEntry(join(folder, 'app.js'))).toBe(home)
  expect(findEntry(join(folder, 'link.js'))).toBe(home)
})

test('there is no entry without a main module, and none that is a test runner', () => {
  expect(findEntry(undefined)).toBeUndefined()
  expect(findEntry(join(folder, 'x'))).toBeUndefined()
  expect(findEntry(folder)).toBeUndefined()
  expect(findEntry(process.argv[1])).toBeUndefined()
})

test('a home is read with or without a query; one that is gone has no bytes', () => {
  const home = pathToFileURL(join(folder, 'app.js')).href
  expect(Buffer.from(readHomeFile(home) ?? []).toString()).toBe('text')
  expect(Buffer.from(readHomeFile(`${home}?v=2`) ?? []).toString()).toBe('text')
  expect(readHomeFile(`${home}x`)).toBeUndefined()
})
