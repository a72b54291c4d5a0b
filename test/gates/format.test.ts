// The format gate refuses what oxfmt would write differently.
import { format } from '../../scripts/gates/format.ts'
import { gateCases } from './gate-cases.ts'

gateCases('format', format, [
  { rule: 'format', path: 'runtime/raylet/semicolon.ts', text: 'export const one = 1;\n' },
  { rule: 'format', path: 'runtime/raylet/quotes.ts', text: 'export const one = "1"\n' },
  {
    rule: 'format',
    path: 'runtime/raylet/tabs.ts',
    text: 'export function f(): void {\n\tf()\n}\n',
  },
])
