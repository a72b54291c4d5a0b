// The files that take minutes begin first, so that none of them is left to run alone while the
// other CPU has nothing to do. Vitest goes by what files took last time; where it does not know, by
// their size, which says nothing of a loop over seeds.
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Those of simulations, which compute, between those of clusters, which wait. */
const LONG = [
  'sim/scale/scale.test.ts',
  'sim/nodes/seeds.test.ts',
  'faults/limiters-cut.test.ts',
  'sim/nodes/parts.test.ts',
  'sim/nodes/planted-bugs.test.ts',
  'faults/network.test.ts',
  'cli/nodes-groups.test.ts',
  'sim/planted-bugs.test.ts',
  'cli/nodes-actors.test.ts',
  'examples/examples-on-nodes.test.ts',
  // At full size.
  'examples/examples.test.ts',
  'cli/nodes-objects.test.ts',
  'core-worker/every-message.test.ts',
  'core-worker/reference-programs.test.ts',
]

export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const long = LONG.flatMap((name) => sorted.filter(({ moduleId }) => moduleId.endsWith(name)))
    return [...long, ...sorted.filter((each) => !long.includes(each))]
  }
}
