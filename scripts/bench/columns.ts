// The columns of the bench: Virga, and what `--with` asks for. A column is a program that runs one
// row per process (contender.ts says how).
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { ContenderCommand } from './contender-process.ts'
import { installRay } from './ray/install.ts'

export type ColumnName =
  | 'virga'
  | 'virgaWithoutPolling'
  | 'nodes'
  | 'ray'
  | 'piscina'
  | 'echo'
  | 'echoPolling'
  | 'memcpy'
  | 'bare'

export interface Column {
  readonly name: ColumnName
  readonly command: ContenderCommand
}

export interface Columns {
  readonly columns: readonly Column[]
  /** Why a column that was asked for is not there, one sentence each. */
  readonly leftOut: readonly string[]
  readonly rayVersion: string | undefined
}

/** What `--with` takes, and the columns it makes. */
export const WITH: Readonly<Record<string, readonly ColumnName[]>> = {
  ray: ['ray'],
  piscina: ['piscina'],
  echo: ['echo', 'echoPolling'],
  memcpy: ['memcpy'],
  bare: ['bare'],
}

const HERE = import.meta.dirname

/** @param nodes  of one cluster, in a column of its own; 1: none such. */
export async function openColumns(
  { wanted, nodes }: { readonly wanted: ReadonlySet<ColumnName>; readonly nodes: number },
  say: (line: string) => void,
): Promise<Columns> {
  const columns: Column[] = [ofNode('virga')]
  if (nodes > 1) columns.push(ofNode('nodes', 'virga', { VIRGA_BENCH_NODES: String(nodes) }))
  const leftOut: string[] = []
  if (wanted.has('echo')) columns.push(ofNode('echo'))
  if (wanted.has('echoPolling')) {
    columns.push(ofNode('echoPolling', 'echo', { ECHO_POLLING: '1' }))
  }
  if (wanted.has('memcpy')) {
    if (existsSync('/dev/shm')) columns.push(ofNode('memcpy'))
    else leftOut.push('memcpy: this machine has no /dev/shm.')
  }
  if (wanted.has('bare')) columns.push(ofNode('bare'))
  if (wanted.has('piscina')) columns.push(ofNode('piscina'))
  if (!wanted.has('ray')) return { columns, leftOut, rayVersion: undefined }
  const ray = await installRay(say)
  if (typeof ray === 'string') {
    leftOut.push(`ray: ${ray}.`)
    return { columns, leftOut, rayVersion: undefined }
  }
  const program = join(HERE, 'ray/contender.py')
  columns.push({ name: 'ray', command: { program: ray.python, args: [program] } })
  return { columns, leftOut, rayVersion: ray.version }
}

export function withoutPolling({ command }: Column): Column {
  const env = { ...command.env, VIRGA_POLLING: 'off' }
  return { name: 'virgaWithoutPolling', command: { ...command, env } }
}

function ofNode(name: ColumnName, folder: string = name, env: Record<string, string> = {}): Column {
  const program = join(HERE, folder, 'contender.ts')
  return { name, command: { program: process.execPath, args: [program], env } }
}
