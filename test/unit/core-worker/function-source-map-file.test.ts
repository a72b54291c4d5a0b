// Frames of bundles, mapped by inline and by external source maps that esbuild made.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sourceMapper } from '../../../runtime/core-worker/function-source-map-file.ts'
import type { Position } from '../../../runtime/common/stack.ts'

// The throw stands in line 8, column 9 of the source.
const SOURCE = [
  'interface Unused {',
  '  a: string',
  '  b: string',
  '}',
  '',
  'export function fails(): number {',
  '  const unused: Unused | undefined = undefined',
  "  throw new Error('bug' + unused)",
  '}',
].join('\n')

let folder = ''
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'virga-maps-'))
  writeFileSync(join(folder, 'app.ts'), SOURCE)
})
afterAll(() => {
  rmSync(folder, { recursive: true })
})

async function bundle(sourcemap: 'inline' | 'linked' | false, name: string): Promise<string> {
  const outfile = join(folder, name)
  const entryPoints = [join(folder, 'app.ts')]
  await build({ entryPoints, outfile, sourcemap, bundle: true, format: 'esm', logLevel: 'error' })
  return outfile
}

/** Where V8 says that the error was made. */
function generatedPosition(text: string, outfile: string): Position {
  const lines = text.split('\n')
  const line = lines.findIndex((row) => row.includes('throw new Error'))
  return { file: outfile, line: line + 1, column: (lines[line] ?? '').indexOf('new Error') + 1 }
}

describe('frames of a bundle', () => {
  test.each(['inline', 'linked'] as const)('are mapped by its %s source map', async (sourcemap) => {
    const outfile = await bundle(sourcemap, `${sourcemap}.mjs`)
    const position = generatedPosition(readFileSync(outfile, 'utf8'), outfile)
    const map = sourceMapper()
    const written = { line: 8, column: 9 }
    expect(map(position)).toEqual({ file: join(folder, 'app.ts'), ...written })
    const url = pathToFileURL(outfile).href
    expect(map({ ...position, file: url })).toEqual({
      file: pathToFileURL(join(folder, 'app.ts')).href,
      ...written,
    })
  })

  test('without a map, without a file or with a broken map stay as they are', async () => {
    const outfile = await bundle(false, 'none.mjs')
    writeFileSync(join(folder, 'broken.js'), 'x\n//# sourceMappingURL=data:application/json,{')
    writeFileSync(join(folder, 'dangling.js'), 'x\n//# sourceMappingURL=gone.map')
    const map = sourceMapper()
    for (const file of [
      outfile,
      join(folder, 'broken.js'),
      join(folder, 'dangling.js'),
      '/no/such.js',
      'node:fs',
      '<anonymous>',
    ]) {
      expect(map({ file, line: 1, column: 1 })).toBeUndefined()
    }
  })
})
