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

function matchesValue(value: string | undefined, wanted: string): boolean {
  const list = LIST.exec(wanted)
  if (list !== null) {
    const values = (list[2] ?? '').split(',').map((text) => text.trim())
    const found = value !== undefined && values.includes(value)
    return list[1] === '!' ? !found : found
  }
  return wanted.startsWith('!') ? value !== wanted.slice(1) : value === wanted
}
