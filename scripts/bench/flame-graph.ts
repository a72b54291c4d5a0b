// A flame graph as one SVG: a box per call, as wide as its time, callees on top of their caller.
// A box shows its whole name and time as a tooltip.
import type { Call } from './cpu-profile.ts'

const WIDTH = 1400
const ROW_HEIGHT = 17
const BOX_WIDTH_MIN = 0.5
const CHARACTER_WIDTH = 6.4

export function flameGraph(title: string, root: Call): string {
  const boxes: string[] = []
  let depthMax = 0
  const draw = (call: Call, x: number, depth: number): void => {
    const width = (WIDTH * call.totalUs) / root.totalUs
    if (width < BOX_WIDTH_MIN) return
    depthMax = Math.max(depthMax, depth)
    boxes.push(box(call, { x, width, depth, share: call.totalUs / root.totalUs }))
    let at = x
    for (const callee of [...call.callees.values()].toSorted((a, b) => b.totalUs - a.totalUs)) {
      draw(callee, at, depth + 1)
      at += (WIDTH * callee.totalUs) / root.totalUs
    }
  }
  draw(root, 0, 0)
  const height = (depthMax + 3) * ROW_HEIGHT
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="monospace" font-size="11">`,
    `<rect width="100%" height="100%" fill="#fff"/><text x="8" y="14">${escaped(title)}</text>`,
    `<g transform="translate(0 ${height - ROW_HEIGHT}) scale(1 1)">${boxes.join('')}</g></svg>\n`,
  ].join('\n')
}

interface Place {
  readonly x: number
  readonly width: number
  readonly depth: number
  readonly share: number
}

function box(call: Call, { x, width, depth, share }: Place): string {
  const y = -depth * ROW_HEIGHT
  const label = call.frame.slice(0, Math.max(0, Math.floor(width / CHARACTER_WIDTH) - 1))
  const tip = `${call.frame}: ${(call.totalUs / 1000).toFixed(1)} ms, ${(100 * share).toFixed(1)} %`
  return (
    `<g><title>${escaped(tip)}</title>` +
    `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW_HEIGHT - 1}" fill="${colour(call.frame)}"/>` +
    `<text x="${(x + 2).toFixed(1)}" y="${y + 12}">${escaped(label)}</text></g>`
  )
}

/** Ours is warm, Node's is blue, V8's own is grey. */
function colour(frame: string): string {
  if (/ (runtime|sdk|scripts)\//.test(frame)) return '#f4b183'
  return frame.includes(' ') ? '#bdd7ee' : '#d9d9d9'
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
