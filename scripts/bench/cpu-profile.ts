// Reading V8's .cpuprofile: how long each function ran itself, and the tree of calls for a flame
// graph. Places in dist/ are shown in the sources they were built from.
import { existsSync, readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Call {
  /** `name file:line`, or V8's own `(garbage collector)` and the like. */
  readonly frame: string
  selfUs: number
  totalUs: number
  readonly callees: Map<string, Call>
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: {
    readonly functionName: string
    readonly url: string
    readonly lineNumber: number
    readonly columnNumber: number
  }
  readonly children?: readonly number[]
}

interface Profile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const IDLE = '(idle)'
/** Starts and ends the sampling, which takes longer than much that is sampled (profile-hook.js). */
const TOGGLE = { functionName: 'toggleSampling', file: '/profile-hook.js' }

/**
 * @returns the root call. Idle time and the profiler's own are left out, so that its total is the
 * time the process worked.
 */
export function readCpuProfile(path: string): Call {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(path, 'utf8')) as Profile
  const selfUs = new Map<number, number>()
  for (const [i, id] of samples.entries()) {
    selfUs.set(id, (selfUs.get(id) ?? 0) + (timeDeltas[i] ?? 0))
  }
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const root: Call = { frame: '(root)', selfUs: 0, totalUs: 0, callees: new Map() }
  const add = (node: ProfileNode, caller: Call): number => {
    const frame = frameOf(node)
    if (frame === IDLE || isToggle(node)) return 0
    let call = caller.callees.get(frame)
    if (call === undefined) {
      call = { frame, selfUs: 0, totalUs: 0, callees: new Map() }
      caller.callees.set(frame, call)
    }
    const self = selfUs.get(node.id) ?? 0
    let total = self
    for (const id of node.children ?? []) {
      const child = byId.get(id)
      if (child !== undefined) total += add(child, call)
    }
    call.selfUs += self
    call.totalUs += total
    return total
  }
  for (const id of nodes[0]?.children ?? []) {
    const node = byId.get(id)
    if (node !== undefined) root.totalUs += add(node, root)
  }
  return root
}

/** Microseconds that each function ran itself, the longest first. */
export function selfTimes(root: Call): [frame: string, selfUs: number][] {
  const times = new Map<string, number>()
  const visit = (call: Call): void => {
    times.set(call.frame, (times.get(call.frame) ?? 0) + call.selfUs)
    for (const callee of call.callees.values()) visit(callee)
  }
  visit(root)
  return [...times].toSorted(([, a], [, b]) => b - a)
}

const isToggle = ({ callFrame: { functionName, url } }: ProfileNode): boolean =>
  functionName === TOGGLE.functionName && url.endsWith(TOGGLE.file)

function frameOf({ callFrame }: ProfileNode): string {
  const { functionName, url, lineNumber, columnNumber } = callFrame
  const name = functionName === '' ? '(anonymous)' : functionName
  if (url === '') return name
  if (!url.startsWith('file:')) return `${name} ${url}`
  const path = fileURLToPath(url)
  const entry = sourceMapOf(path)?.findEntry(lineNumber, columnNumber)
  if (entry !== undefined && 'originalSource' in entry) {
    return `${name} ${entry.originalSource.replace(/^(\.\.\/)+/, '')}:${entry.originalLine + 1}`
  }
  return `${name} ${relative(process.cwd(), path)}:${lineNumber + 1}`
}

const sourceMaps = new Map<string, SourceMap | undefined>()

function sourceMapOf(path: string): SourceMap | undefined {
  if (sourceMaps.has(path)) return sourceMaps.get(path)
  const mapPath = `${path}.map`
  const payload = existsSync(mapPath) ? readFileSync(mapPath, 'utf8') : undefined
  type Payload = ConstructorParameters<typeof SourceMap>[0]
  const map = payload === undefined ? undefined : new SourceMap(JSON.parse(payload) as Payload)
  sourceMaps.set(path, map)
  return map
}
