// A row of the GCS as the type that its readers take it for, checked field by field: one that
// another version of Virga wrote, or that is damaged, is told by its key instead of being half
// understood.
import { DecodeError } from '../common/errors.ts'
import { misfit, type Fields } from '../common/shape.ts'
import { showValue } from '../common/show-value.ts'
import type { Row } from './storage.ts'

/** What each field of a kind of row must look like. */
export type FieldsOf<T> = Fields<keyof T & string>

/** @throws DecodeError that names the row and the field. */
export function readRow<T extends object>(
  { key, value }: Pick<Row, 'key' | 'value'>,
  fields: FieldsOf<T>,
): T {
  const field = misfit(fields, value)
  if (field === undefined) return value as unknown as T
  const { table, pk, sk } = key
  throw new DecodeError(
    `the row ${table}/${pk}/${sk} of the GCS is malformed: its field '${field}' cannot be ` +
      `${showValue(value[field])}. Use the same version of virga on all nodes of the cluster.`,
    { data: { table, pk, sk, field } },
  )
}
