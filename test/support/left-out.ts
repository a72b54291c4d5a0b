// Says after a run which faults of the catalogue it has not tested, though it has tests by their
// names: this machine lacks what they need, and all of them were skipped. A gate reads the titles
// (faults-by-name.test.ts), and a title does not say that its test has run.
import type { Reporter, TestModule } from 'vitest/node'

export interface TitledTest {
  readonly fullName: string
  readonly wasSkipped: boolean
}

const FAULT = /\bF\d\d\b/g

/** Faults that are named by skipped tests alone, in order. */
export function faultsLeftOut(tests: Iterable<TitledTest>): string[] {
  const named = new Set<string>()
  const tested = new Set<string>()
  for (const { fullName, wasSkipped } of tests) {
    for (const id of fullName.match(FAULT) ?? []) {
      named.add(id)
      if (!wasSkipped) tested.add(id)
    }
  }
  return [...named].filter((id) => !tested.has(id)).toSorted((a, b) => a.localeCompare(b))
}

let isByName = false

/** For vitest.config.ts. Of a run of tests by their names (`-t`), there is nothing to tell. */
export const tellLeftOut: Reporter = {
  onInit: ({ config }) => {
    isByName = config.testNamePattern !== undefined
  },
  onTestRunEnd: (modules) => {
    if (isByName) return
    const leftOut = faultsLeftOut([...modules].flatMap((each) => [...testsOf(each)]))
    if (leftOut.length === 0) return
    process.stdout.write(
      `Not tested here, as every test by that name was skipped: ${leftOut.join(', ')}.\n`,
    )
  },
}

function* testsOf(module: TestModule): Generator<TitledTest> {
  for (const test of module.children.allTests()) {
    yield { fullName: test.fullName, wasSkipped: test.result().state === 'skipped' }
  }
}
