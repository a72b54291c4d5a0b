// The ranks gate refuses every way of importing up, sideways or around (L1-L4).
import { ranks } from '../../scripts/gates/ranks.ts'
import { gateCases } from './gate-cases.ts'
import type { Violation } from './planted-tree.ts'

const FOLDERS = [
  'runtime/common',
  'runtime/protocol',
  'runtime/scheduling',
  'runtime/gcs',
  'runtime/objects',
  'runtime/core-worker',
  'runtime/worker',
  'runtime/burst',
  'runtime/autoscaler',
  'runtime/jobs',
]

/** Nobody but a root may import the raylet, so each folder in turn tries to, once by type. */
const upward: Violation[] = FOLDERS.map((folder) => ({
  rule: `rank:${folder}`,
  path: `${folder}/climbs.ts`,
  text: "import type { step } from '../raylet/state.ts'\nexport type Step = typeof step\n",
}))

gateCases('ranks', ranks, [
  ...upward,
  {
    rule: 'rank:runtime/raylet',
    path: 'runtime/raylet/sideways.ts',
    text: "export { work } from '../worker/work.ts'\n",
    beside: { 'runtime/worker/work.ts': 'export const work = 1\n' },
  },
  {
    rule: 'rank:runtime/core-worker',
    path: 'runtime/core-worker/reads-tables.ts',
    text: "import type { Row } from '../gcs/row.ts'\nexport type Copy = Row\n",
    beside: { 'runtime/gcs/row.ts': 'export type Row = string\n' },
  },
  {
    rule: 'rank:runtime/common',
    path: 'runtime/common/lazily.ts',
    text: "export const lazily = (): Promise<unknown> => import('../gcs/row.ts')\n",
  },
  {
    rule: 'rank:sdk',
    path: 'sdk/peeks.ts',
    text: "export { step } from '../runtime/raylet/state.ts'\n",
  },
  {
    rule: 'rank:cli',
    path: 'cli/peeks.ts',
    text: "export { step } from '../runtime/raylet/state.ts'\n",
  },
  {
    rule: 'rank:infra',
    path: 'infra/peeks.ts',
    text: "export { step } from '../runtime/raylet/state.ts'\n",
  },
  {
    rule: 'roots-are-imported-by-the-sdk-alone',
    path: 'runtime/raylet/imports-root.ts',
    text: "import './main.ts'\nexport const started = true\n",
  },
  {
    rule: 'world-only-from-roots',
    path: 'runtime/raylet/imports-world.ts',
    text: "export { systemClock } from '../common/clock-system.ts'\n",
  },
  {
    rule: 'native-and-aws-only-in-world-files',
    path: 'runtime/raylet/imports-native.ts',
    text: "export { load } from 'koffi'\n",
  },
  {
    rule: 'nothing-imports-tests-scripts-or-examples',
    path: 'runtime/raylet/imports-test.ts',
    text: "export { passed } from '../../test/unit/raylet/state.test.ts'\n",
  },
  {
    rule: 'examples-use-the-package',
    path: 'examples/reaches-in.ts',
    text: "export { step } from '../runtime/raylet/state.ts'\n",
  },
  {
    rule: 'unlisted-folder',
    path: 'runtime/helpers/new.ts',
    text: "export { step } from '../raylet/state.ts'\n",
  },
  {
    rule: 'unlisted-folder-imported',
    path: 'test/unit/imports-unlisted.ts',
    text: "export { step } from '../../runtime/helpers/new.ts'\n",
  },
  {
    rule: 'unresolvable',
    path: 'runtime/raylet/misspelt.ts',
    text: "export { step } from './stat.ts'\n",
  },
  {
    rule: 'no-cycles',
    path: 'runtime/raylet/egg.ts',
    text: "import { hen } from './hen.ts'\nexport const egg = (): unknown => hen\n",
    beside: {
      'runtime/raylet/hen.ts':
        "import { egg } from './egg.ts'\nexport const hen = (): unknown => egg\n",
    },
  },
  { rule: 'no-orphans', path: 'runtime/raylet/orphan.ts', text: 'export const alone = 1\n' },
  {
    rule: 'no-undeclared-packages',
    path: 'runtime/raylet/undeclared.ts',
    text: "export { default as json5 } from 'json5'\n",
  },
])
