// Maps positions of code that ran to where it was written, by the source map of the file itself:
// what makes the frames of a bundle's remote errors show the user's TypeScript lines.
//   sourceMapper(): MapPosition      for StackView.map of common/stack.ts
// Workers run without source maps (they cost 100 MB and 180 ms on a large bundle) and send raw
// frames; a driver maps the few that it shows. Frames that tsx or vitest have mapped name a source
// file, which has no map of its own, and stay as they are.
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import type { SourceMapPayload } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { MapPosition, Position } from '../common/stack.ts'

/** Files whose map is kept; a program with more bundles reads some of them again. */
const FILES_MAX = 64

interface FileMap {
  readonly map: SourceMap
  readonly sources: ReadonlyMap<string, string>
}

export function sourceMapper(): MapPosition {
  const maps = new Map<string, FileMap | undefined>()
  return (position) => {
    const { file } = position
    if (!file.startsWith('file:') && !file.startsWith('/')) return undefined
    if (!maps.has(file)) {
      const [oldest] = maps.keys()
      if (maps.size >= FILES_MAX && oldest !== undefined) maps.delete(oldest)
      maps.set(file, readMap(file))
    }
    return mapped(maps.get(file), position)
  }
}

function mapped(found: FileMap | undefined, position: Position): Position | undefined {
  const origin = found?.map.findOrigin(position.line, position.column)
  if (found === undefined || origin === undefined || !('fileName' in origin)) return undefined
  const url = found.sources.get(origin.fileName)
  if (url === undefined) return undefined
  const asUrl = position.file.startsWith('file:') || !url.startsWith('file:')
  const file = asUrl ? url : fileURLToPath(url)
  return { file, line: origin.lineNumber, column: origin.columnNumber }
}

/** No map, an unreadable or a broken one: the frame is shown as it is, which is right as well. */
function readMap(file: string): FileMap | undefined {
  const url = file.startsWith('file:') ? file : pathToFileURL(file).href
  try {
    const mapUrl = findMapUrl(readFileSync(fileURLToPath(url), 'utf8'), url)
    if (mapUrl === undefined) return undefined
    const payload = JSON.parse(readText(mapUrl)) as SourceMapPayload
    const base = mapUrl.startsWith('data:') ? url : mapUrl
    return { map: new SourceMap(payload), sources: resolveSources(payload, base) }
  } catch {
    return undefined
  }
}

const COMMENT = /(?:\/\/|\/\*)[#@]\s*sourceMappingURL=([^\s'"*]+)/g

/** The last such comment counts: earlier ones are of files inside the bundle. */
function findMapUrl(text: string, fileUrl: string): string | undefined {
  const last = text.lastIndexOf('sourceMappingURL=')
  if (last < 0) return undefined
  const [comment] = text.slice(Math.max(0, last - 10)).matchAll(COMMENT)
  const target = comment?.[1]
  return target === undefined ? undefined : new URL(target, fileUrl).href
}

function readText(mapUrl: string): string {
  if (!mapUrl.startsWith('data:')) return readFileSync(fileURLToPath(mapUrl), 'utf8')
  const comma = mapUrl.indexOf(',')
  const body = mapUrl.slice(comma + 1)
  return mapUrl.slice(0, comma).endsWith(';base64')
    ? Buffer.from(body, 'base64').toString('utf8')
    : decodeURIComponent(body)
}

/** From a source as the map names it to its URL. Maps of maps (`sections`) have none at the top. */
function resolveSources(payload: SourceMapPayload, base: string): Map<string, string> {
  const sections = 'sections' in payload ? (payload.sections as { map: SourceMapPayload }[]) : []
  const sources = new Map<string, string>()
  for (const { sources: names, sourceRoot } of [payload, ...sections.map(({ map }) => map)]) {
    const root =
      sourceRoot === undefined || sourceRoot === '' ? '' : sourceRoot.replace(/\/?$/, '/')
    for (const name of names ?? []) sources.set(name, new URL(root + name, base).href)
  }
  return sources
}
