// Labels of nodes, and selectors over them: `{ zone: 'in(a, b)', disk: '!slow', gpu: 'A10' }`.
//   'v'          the label is v            '!v'          it is not v, or not there
//   'in(a, b)'   it is one of these        '!in(a, b)'   it is none of these, or not there
// Source: Ray label selectors, doc/source/ray-core/scheduling/labels.md.
import { recordOf, refuse } from './option-checks.ts'
import type { Check } from './option-checks.ts'

export type Labels = Readonly<Record<string, string>>
export type LabelSelector = Readonly<Record<string, string>>

/** The label every node has: its own id. */
export const NODE_ID_LABEL = 'virga.io/node-id'

/** Labels of one node, and terms of one selector. */
const LABELS_MAX = 64

const SELECTOR = /^(!?)(?:in\(([^()]*)\)|([^!()]+))$/
const LABEL = /^[^!(),\p{Cc}]{1,256}$/u

const valuesOf = (list: string): string[] => list.split(',').map((value) => value.trim())

/** The option `labels`. */
export const labelsOf: Check<Labels> = recordOf((label, value) => {
  if (typeof value === 'string' && LABEL.test(value)) return value
  return refuse(label, '1 to 256 characters without ! ( ) or ,', value)
}, LABELS_MAX)

/** The option `labelSelector`. */
export const labelSelectorOf: Check<LabelSelector> = recordOf((label, value) => {
  const found = typeof value === 'string' ? SELECTOR.exec(value) : null
  const values = found?.[2] === undefined ? [found?.[3] ?? ''] : valuesOf(found[2])
  if (found !== null && values.every((one) => LABEL.test(one))) return value as string
  return refuse(label, "'value', '!value', 'in(a, b)' or '!in(a, b)'", value)
}, LABELS_MAX)
