// What a killed bench has left is removed by the next one, and nothing else is.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { sweepLeftovers } from '../../scripts/bench/leftovers.ts'
import { installRay } from '../../scripts/bench/ray/install.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virga-leftovers-'))
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(folder, { recursive: true })
})

async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(child, 'exit')
  return child.pid ?? 0
}

test('folders of processes that are gone are removed', async () => {
  const kept = [`a-${process.pid}-x`, 'a-x', 'b-1-x']
  for (const name of [...kept, `a-${await deadPid()}-x`])
    mkdirSync(join(folder, name, 'deep'), { recursive: true })
  sweepLeftovers(folder, /^a-(\d+)-/)
  expect(readdirSync(folder).toSorted()).toEqual(kept.toSorted())
})

describe('the environment of Ray', () => {
  const cache = (): string => join(folder, 'virga-bench')
  const python = (): string => join(cache(), 'ray/bin/python')
  const say = (): void => undefined

  function program(path: string, script: string): void {
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, `#!/bin/sh\n${script}\n`)
    chmodSync(path, 0o755)
  }
  beforeEach(() => {
    vi.stubEnv('XDG_CACHE_HOME', folder)
    vi.stubEnv('PATH', `${join(folder, 'path')}:${process.env['PATH'] ?? ''}`)
    // Makes an environment whose pip fails.
    const made = '#!/bin/sh\\necho no network >&2; exit 1\\n'
    program(
      join(folder, 'path/python3'),
      `mkdir -p "$3/bin"; printf '${made}' > "$3/bin/python"; chmod +x "$3/bin/python"`,
    )
  })

  test('that is whole stays when it cannot be imported', async () => {
    program(python(), 'echo a passing fault >&2; exit 1')
    expect(await installRay(say)).toContain('could not be imported (a passing fault)')
    expect(existsSync(python())).toBe(true)
    program(python(), 'echo 2.0')
    expect(await installRay(say)).toEqual({ python: python(), version: '2.0' })
  })

  test('that was not made whole is removed', async () => {
    expect(await installRay(say)).toContain('could not be installed (no network)')
    expect(readdirSync(cache())).toEqual([])
  })

  test('whose making was cut off is made anew; one that is being made is left alone', async () => {
    program(python(), 'echo 2.0')
    const installing = join(cache(), 'ray.installing')
    writeFileSync(installing, String(process.pid))
    expect(await installRay(say)).toContain(`process ${process.pid} installs it now`)
    writeFileSync(installing, String(await deadPid()))
    expect(await installRay(say)).toContain('could not be installed (no network)')
    expect(readdirSync(cache())).toEqual([])
  })
})
