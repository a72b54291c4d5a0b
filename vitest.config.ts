// How the tests run: `npm test`, `npm run test:full` (scripts/test.ts), or `npx vitest FILE`.
// Two files at a time, each in a process of its own, because the tests start clusters and kill
// processes; a small machine must not be asked for more. dist/ is loaded by Node itself, not
// through vite, as a user's program would load it.
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { tellLeftOut } from './test/support/left-out.ts'
import { LongFirst } from './test/support/long-first.ts'

export default defineConfig({
  // Nothing of the home folder and nothing of a user's project has a say here.
  root: import.meta.dirname,
  cacheDir: join(import.meta.dirname, '.cache/vite'),
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongFirst },
    // Only for what hangs in silence: waits of tests have bounds of their own (support/waiting.ts),
    // and say what they waited for. A test that starts sixteen processes takes 4 s on a quiet
    // machine and 30 s on one that does five other things.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 10_000,
    allowOnly: false,
    passWithNoTests: false,
    reporters: ['default', tellLeftOut],
    server: { deps: { external: [/\/dist\//] } },
  },
})
