// What cannot be done is told in one line that says what to give instead, with exit code 2.
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { parseCompareOptions } from '../../scripts/bench/compare/options.ts'
import { parseBenchOptions } from '../../scripts/bench/options.ts'
import { parseProfileOptions } from '../../scripts/bench/profile-options.ts'
import { parseSoakOptions } from '../../scripts/bench/soak/options.ts'

describe('npm run bench', () => {
  test.each([
    ['--only [', "--only '[' is no regular expression"],
    ['--seconds Infinity', '--seconds takes a number above 0'],
    ['--seconds x', '--seconds takes a number above 0'],
    ['--nodes 2.5', '--nodes takes a whole number from 1 to 64'],
    ['--bogus', "Unknown option '--bogus'"],
    ['--resume', '--resume goes on with the file of --json'],
    ['--gate --only tasks', 'leave --only out'],
    ['--with echo --gate --json x', 'leave --with, --json out'],
    ['--gate --publish --resume --nodes 2', 'leave --publish, --resume, --nodes out'],
  ])('%s', (args, told) => {
    expect(() => parseBenchOptions(args.split(' '))).toThrow(told)
  })

  test('--gate takes the length of a round', () => {
    const options = parseBenchOptions(['--gate', '--seconds', '0.1'])
    expect(options).toMatchObject({ gate: true, seconds: 0.1 })
  })
})

test.each([
  ['HEAD', 'A and B are two revisions, not 1.'],
  ['HEAD HEAD --pairs 2.5', '--pairs takes a whole number from 2 to 1000'],
  ['HEAD HEAD --pairs 1', '--pairs takes a whole number from 2 to 1000'],
  ['HEAD HEAD --seconds Infinity', '--seconds takes a number above 0'],
  ['HEAD HEAD --only [', "--only '[' is no regular expression"],
  ['HEAD HEAD --only polling', "--only 'polling' matches no row"],
])('npm run bench:compare -- %s', (args, told) => {
  expect(() => parseCompareOptions(args.split(' '))).toThrow(told)
})

test.each([
  ['[', "npm run profile '[' is no regular expression"],
  ['nosuch', "npm run profile 'nosuch' matches no row"],
  ['', 'npm run profile ROW takes one of'],
  ['tasks --seconds x', '--seconds takes a number above 0'],
  ['tasks --top 0', '--top takes a whole number from 1'],
  ['tasks --bogus', "Unknown option '--bogus'"],
])('npm run profile -- %s', (args, told) => {
  expect(() => parseProfileOptions(args.split(' '))).toThrow(told)
})

test.each([
  ['--minutes 0', '--minutes takes a number above 0'],
  ['--minutes Infinity', '--minutes takes a number above 0'],
  ['--bogus', "Unknown option '--bogus'"],
])('npm run soak -- %s', (args, told) => {
  expect(() => parseSoakOptions(args.split(' '))).toThrow(told)
})

test.each([
  ['main.ts', ['--only', '[']],
  ['profile.ts', ['[']],
  ['compare/main.ts', ['HEAD', 'no-such-commit']],
  ['soak/main.ts', ['--minutes', 'x']],
])('%s ends with 2 after one line', async (script, args) => {
  const main = join(import.meta.dirname, '../../scripts/bench', script)
  await expect(promisify(execFile)(process.execPath, [main, ...args])).rejects.toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/^.+\n$/) as unknown,
  })
})
