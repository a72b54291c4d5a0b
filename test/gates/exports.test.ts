// The exports gate refuses what nothing uses, and what only its own file uses.
import { unusedExports } from '../../scripts/gates/exports.ts'
import { gateCases } from './gate-cases.ts'

const HEADER = '// A planted file that breaks one rule of the exports gate.\n'

gateCases('exports', unusedExports, [
  {
    rule: 'dead-export',
    path: 'runtime/raylet/dead.ts',
    text: `${HEADER}export function unused(): number {\n  return 1\n}\n`,
  },
  {
    rule: 'dead-export',
    path: 'runtime/raylet/dead-type.ts',
    text: `${HEADER}export interface Unused {\n  readonly one: 1\n}\n`,
  },
  {
    rule: 'dead-export',
    path: 'runtime/raylet/tested.ts',
    text: `${HEADER}export const onlyTested = 1\n`,
    beside: {
      'test/unit/raylet/tested.test.ts':
        "// A test keeps nothing alive.\nimport { onlyTested } from '../../../runtime/raylet/tested.ts'\n\n" +
        'export const passed = onlyTested === 1\n',
    },
  },
  {
    rule: 'needless-export',
    path: 'runtime/raylet/own.ts',
    text: `${HEADER}export const LIMIT = 1\nprocess.exitCode = LIMIT\n`,
  },
])
