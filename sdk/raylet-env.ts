// The environment of a raylet that a driver starts: the driver's own, minus what is meant for the
// driver as a Node process (pure). A raylet runs no user code: a loader would slow its start, an
// inspector would take the driver's port, a preloaded module could break it.
// Workers get all of these from the driver's job (core-worker/function-argv.ts), not from here.

const NOT_FOR_RAYLETS = new Set([
  'NODE_OPTIONS',
  // Files that each process writes at its end.
  'NODE_V8_COVERAGE',
  'NODE_REDIRECT_WARNINGS',
  // Set by Node's test runner and watch mode for the processes that they start themselves.
  'NODE_TEST_CONTEXT',
  'WATCH_REPORT_DEPENDENCIES',
])

export function rayletEnv(
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !NOT_FOR_RAYLETS.has(name)))
}
