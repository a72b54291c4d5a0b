// Rows as items of DynamoDB and back, and conditions as expressions. Pure.
// An item: pk, sk · v version · w token of the last write, p1 to p3 of those before · f the fields
// · b pointers to bodies · x when DynamoDB may drop it, in seconds. The names of fields are inside
// f, so they never clash with these.
import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import type { BodyPointer, SplitValue } from './bodies.ts'
import type { Field } from './row-value.ts'
import type { Expected, Present, Row, RowKey, TableName } from './storage.ts'

const EARLIER = ['p1', 'p2', 'p3'] as const
const TOKENS_KEPT = 1 + EARLIER.length
const NO_TOKEN = '-'

export type Item = Record<string, AttributeValue>

export interface StoredRow {
  readonly row: Row
  /** Of the last writes, newest first; less than TOKENS_KEPT: of all since it was put whole. */
  readonly tokens: readonly string[]
  readonly bodies: Readonly<Record<string, BodyPointer>>
}

export const keyItem = ({ pk, sk }: RowKey): Item => ({ pk: { S: pk }, sk: { S: sk } })

export interface WrittenRow {
  readonly key: RowKey
  readonly version: number
  readonly token: string
  readonly value: SplitValue
  readonly expiresAtMs?: number | undefined
}

export function toItem({ key, version, token, value, expiresAtMs }: WrittenRow): Item {
  return {
    ...keyItem(key),
    v: { N: String(version) },
    w: { S: token },
    f: { M: mapOf(value.fields) },
    b: { M: pointersOf(value.bodies) },
    ...(expiresAtMs === undefined ? {} : { x: expiryOf(expiresAtMs) }),
  }
}

const expiryOf = (atMs: number): AttributeValue => ({ N: String(Math.ceil(atMs / 1000)) })

/** The row of an item, without the fields that are bodies. */
export function fromItem(table: TableName, item: Item): StoredRow {
  const key: RowKey = { table, pk: item['pk']?.S ?? '', sk: item['sk']?.S ?? '' }
  const bodies = Object.entries(item['b']?.M ?? {}).map(
    ([name, pointer]): [string, BodyPointer] => [
      name,
      {
        key: pointer.M?.['k']?.S ?? '',
        sizeBytes: Number(pointer.M?.['n']?.N),
        digest: pointer.M?.['h']?.S ?? '',
      },
    ],
  )
  const value = fromAttribute({ M: item['f']?.M ?? {} }) as Readonly<Record<string, Field>>
  return {
    row: { key, version: Number(item['v']?.N), value },
    tokens: ['w', ...EARLIER].flatMap((name) => {
      const token = item[name]?.S ?? NO_TOKEN
      return token === NO_TOKEN ? [] : [token]
    }),
    bodies: Object.fromEntries(bodies),
  }
}

function pointersOf(bodies: Readonly<Record<string, BodyPointer>>): Item {
  return Object.fromEntries(
    Object.entries(bodies).map(([name, pointer]) => [name, pointerAttribute(pointer)]),
  )
}

const pointerAttribute = ({ key, sizeBytes, digest }: BodyPointer): AttributeValue => ({
  M: { k: { S: key }, n: { N: String(sizeBytes) }, h: { S: digest } },
})

function mapOf(fields: Readonly<Record<string, Field>>): Item {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [escaped(name), toAttribute(field)]),
  )
}

// The SDK loses a key `__proto__` of an item that comes with an error, and then its own way.
const escaped = (name: string): string => (/^%*__proto__$/.test(name) ? `%${name}` : name)
const unescaped = (name: string): string => (/^%+__proto__$/.test(name) ? name.slice(1) : name)

function toAttribute(field: Field): AttributeValue {
  if (field === null) return { NULL: true }
  if (typeof field === 'string') return { S: field }
  if (typeof field === 'boolean') return { BOOL: field }
  if (typeof field === 'number') return { N: String(field) }
  if (field instanceof Uint8Array) return { B: field }
  if (Array.isArray(field)) {
    return { L: (field as readonly Field[]).map((item) => toAttribute(item)) }
  }
  return { M: mapOf(field as Readonly<Record<string, Field>>) }
}

function fromAttribute(attribute: AttributeValue): Field {
  if (attribute.S !== undefined) return attribute.S
  if (attribute.N !== undefined) return Number(attribute.N)
  if (attribute.BOOL !== undefined) return attribute.BOOL
  if (attribute.B !== undefined) return attribute.B
  if (attribute.L !== undefined) return attribute.L.map((item) => fromAttribute(item))
  if (attribute.M === undefined) return null
  return Object.fromEntries(
    Object.entries(attribute.M).map(([name, item]) => [unescaped(name), fromAttribute(item)]),
  )
}

/** Names and values of one expression, numbered as they are used. */
export class Placeholders {
  readonly names: Record<string, string> = {}
  readonly values: Record<string, AttributeValue> = {}

  name(attribute: string): string {
    const known = Object.keys(this.names).find((key) => this.names[key] === attribute)
    if (known !== undefined) return known
    const placeholder = `#n${String(Object.keys(this.names).length)}`
    this.names[placeholder] = attribute
    return placeholder
  }

  value(attribute: AttributeValue): string {
    const placeholder = `:v${String(Object.keys(this.values).length)}`
    this.values[placeholder] = attribute
    return placeholder
  }

  /** As requests take them: an empty map is refused by DynamoDB. */
  get given(): {
    ExpressionAttributeNames?: Record<string, string>
    ExpressionAttributeValues?: Record<string, AttributeValue>
  } {
    return {
      ...(Object.keys(this.names).length > 0 ? { ExpressionAttributeNames: this.names } : {}),
      ...(Object.keys(this.values).length > 0 ? { ExpressionAttributeValues: this.values } : {}),
    }
  }
}

export function conditionOf(expected: Expected, placeholders: Placeholders): string {
  if (expected === 'ABSENT') return `attribute_not_exists(${placeholders.name('pk')})`
  if (typeof expected === 'number') {
    return `${placeholders.name('v')} = ${placeholders.value({ N: String(expected) })}`
  }
  const terms = Object.entries(expected.fields).map(([name, value]) => {
    const path = `${placeholders.name('f')}.${placeholders.name(escaped(name))}`
    return `${path} = ${placeholders.value(toAttribute(value))}`
  })
  return [`attribute_exists(${placeholders.name('pk')})`, ...terms].join(' AND ')
}

/**
 * As conditionOf, and not written by this update itself: fields may hold before and after it, so a
 * repeat would be applied once more.
 */
export function updateConditionOf(
  expected: Present,
  token: string,
  placeholders: Placeholders,
): string {
  const condition = conditionOf(expected, placeholders)
  if (typeof expected === 'number') return condition
  const own = placeholders.value({ S: token })
  const isOther = ['w', ...EARLIER].map((name) => `NOT ${placeholders.name(name)} = ${own}`)
  return [condition, ...isOther].join(' AND ')
}

/** Sets fields and their pointers, and takes back what a field was before: a value or a body. */
export function updateOf(
  value: SplitValue,
  token: string,
  placeholders: Placeholders,
  expiresAtMs?: number,
): string {
  const [f, b] = [placeholders.name('f'), placeholders.name('b')]
  const sets = tokenSets(token, placeholders)
  const removes: string[] = []
  for (const [name, field] of Object.entries(value.fields)) {
    const path = placeholders.name(escaped(name))
    sets.push(`${f}.${path} = ${placeholders.value(toAttribute(field))}`)
    removes.push(`${b}.${placeholders.name(name)}`)
  }
  for (const [name, pointer] of Object.entries(value.bodies)) {
    sets.push(`${b}.${placeholders.name(name)} = ${placeholders.value(pointerAttribute(pointer))}`)
    removes.push(`${f}.${placeholders.name(escaped(name))}`)
  }
  if (expiresAtMs !== undefined) {
    sets.push(`${placeholders.name('x')} = ${placeholders.value(expiryOf(expiresAtMs))}`)
  }
  const remove = removes.length > 0 ? ` REMOVE ${removes.join(', ')}` : ''
  const add = `ADD ${placeholders.name('v')} ${placeholders.value({ N: '1' })}`
  return `SET ${sets.join(', ')}${remove} ${add}`
}

/** The whole row, as an update: a put would forget the tokens of the writes before. */
export function replaceOf(
  { value, version, token, expiresAtMs }: Omit<WrittenRow, 'key'>,
  placeholders: Placeholders,
): string {
  const sets = [
    ...tokenSets(token, placeholders),
    `${placeholders.name('v')} = ${placeholders.value({ N: String(version) })}`,
    `${placeholders.name('f')} = ${placeholders.value({ M: mapOf(value.fields) })}`,
    `${placeholders.name('b')} = ${placeholders.value({ M: pointersOf(value.bodies) })}`,
  ]
  const expiry = placeholders.name('x')
  if (expiresAtMs === undefined) return `SET ${sets.join(', ')} REMOVE ${expiry}`
  sets.push(`${expiry} = ${placeholders.value(expiryOf(expiresAtMs))}`)
  return `SET ${sets.join(', ')}`
}

/** Every token moves one place on: DynamoDB reads all of them as they were before the update. */
function tokenSets(token: string, placeholders: Placeholders): string[] {
  const none = placeholders.value({ S: NO_TOKEN })
  const moved = EARLIER.map((name, index) => {
    const before = EARLIER[index - 1] ?? 'w'
    return `${placeholders.name(name)} = if_not_exists(${placeholders.name(before)}, ${none})`
  })
  return [`${placeholders.name('w')} = ${placeholders.value({ S: token })}`, ...moved]
}

export interface Collision {
  readonly expected: Expected
  readonly current: StoredRow | undefined
  readonly token: string
  /** An earlier attempt of this write may have been applied. */
  readonly unsure: boolean
}

/**
 * What it means that a write's condition did not hold. OWN: an attempt whose answer was lost had
 * been applied, and the row says so still. LOST: nothing of it is in the row.
 */
export function judge({ expected, current, token, unsure }: Collision): 'OWN' | 'LOST' | 'UNKNOWN' {
  if (current === undefined) return 'LOST'
  const { tokens, row } = current
  if (tokens.includes(token)) return 'OWN'
  if (!unsure || tokens.length < TOKENS_KEPT) return 'LOST'
  // Versions grow by one: the token of the write that took ours is still known, and is another's.
  const isNear = typeof expected === 'number' && row.version - expected <= TOKENS_KEPT
  return isNear ? 'LOST' : 'UNKNOWN'
}
