// Label selectors: which nodes a demand may use. Every key of a selector must hold.
//   'a'  equals · '!a' differs · 'in(a,b)' one of · '!in(a,b)' none of; a missing label differs.
// Source: Ray label_selector (`in()`, `!in()`, `!value`).

export type LabelSelector = Readonly<Record<string, string>>

const LIST = /^(!?)in\((.*)\)$/

/** Whether a node with these labels fits the selector. */
export function matchesLabels(
  labels: Readonly<Record<string, string>>,
  selector: LabelSelector,
): boolean {
  return Object.entries(selector).every(([key, wanted]) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined
    return matchesValue(value, wanted)
  })
}

/** Whether a node with these labels fits one of the selectors; of none: every node does. */
export function matchesAny(
  labels: Readonly<Record<string, string>>,
  selectors: readonly LabelSelector[],
): boolean {
  return selectors.length === 0 || selectors.some((selector) => matchesLabels(labels, selector))
}

/** The selector for the same nodes but those whose `key` is `value`; undefined: no other value fits. */
export function excluding(
  selector: LabelSelector,
  key: string,
  value: string,
): LabelSelector | undefined {
  const wanted = Object.hasOwn(selector, key) ? selector[key] : undefined
  if (wanted === undefined) return { ...selector, [key]: `!${value}` }
  const isNot = wanted.startsWith('!')
  const list = LIST.exec(wanted)?.[2]
    ?.split(',')
    .map((text) => text.trim())
  const values = (list ?? [isNot ? wanted.slice(1) : wanted]).filter((each) => each !== value)
  if (isNot) return { ...selector, [key]: `!in(${[...values, value].join(',')})` }
  return values.length === 0 ? undefined : { ...selector, [key]: `in(${values.join(',')})` }
}

function matchesValue(value: string | undefined, wanted: string): boolean {
  const list = LIST.exec(wanted)
  if (list !== null) {
    const values = (list[2] ?? '').split(',').map((text) => text.trim())
    const found = value !== undefined && values.includes(value)
    return list[1] === '!' ? !found : found
  }
  return wanted.startsWith('!') ? value !== wanted.slice(1) : value === wanted
}
