// Ways of waiting between nodes: each says to whom reads from it whom it waits for itself.
import { expect, test } from 'vitest'
import { breaksCircle, decodeWay, encodeWay } from '../../../runtime/raylet/cluster/waiting-way.ts'

const NODES = ['3', '1', '4', '2', '5']

/** @returns which nodes have seen a circle after each round in which all say what they know. */
function roundsOf(sourceOf: Readonly<Record<string, string>>, rounds: number): string[][] {
  const ways = new Map(Object.entries(sourceOf).map(([node, source]) => [node, [source]]))
  return Array.from({ length: rounds }, () => {
    const said = new Map([...ways].map(([node, way]) => [node, decodeWay(encodeWay(way))]))
    for (const [node, source] of Object.entries(sourceOf)) {
      ways.set(node, [source, ...(said.get(source) ?? [])])
    }
    return Object.keys(sourceOf).filter((node) => breaksCircle(node, ways.get(node) ?? []))
  })
}

test('WC1: of a circle of any length one node alone sees it, after as many words', () => {
  for (let length = 2; length <= NODES.length; length += 1) {
    const circle = NODES.slice(0, length)
    const sourceOf = Object.fromEntries(
      circle.map((node, index) => [node, circle[(index + 1) % length] ?? '']),
    )
    const seen = roundsOf(sourceOf, 40)
    expect(seen.flat().every((node) => node === '1')).toBe(true)
    expect(seen.findIndex((each) => each.length > 0)).toBeLessThan(length)
  }
})

test('WC1: who waits for a circle without being in it does not break it, nor does a way that ends', () => {
  expect(roundsOf({ 0: '2', 2: '3', 3: '2' }, 40).flat()).not.toContain('0')
  expect(roundsOf({ 1: '2', 2: '3' }, 40).flat()).toEqual([])
})
