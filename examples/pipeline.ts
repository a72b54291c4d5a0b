// A pipeline that never holds more than its buffer. A generator task reads texts of the Brown
// corpus; each goes, as a ref, to a task that takes its fingerprint (MinHash: texts that share many
// words share many of these numbers); the driver takes the fingerprints. However long the corpus,
// a reader that is too fast waits. An actor counts what was read and not yet taken, and proves it.
import { deepStrictEqual, ok } from 'node:assert/strict'
import { init, remote } from 'virga'
import type { ActorHandle, Methods } from 'virga'
import { brownTexts, wordsOf } from './brown-corpus.ts'
import { compare, sized, timed } from './compare.ts'

const BUFFER = 4
const IN_FLIGHT = 4
/** The buffer, what is being fingerprinted, and the one in the driver's hands. */
const HELD_MAX = BUFFER + IN_FLIGHT + 1
const HASHES = 2000

interface Text {
  readonly name: string
  readonly words: string[]
}

class PlainGauge {
  #held = 0
  #heldMax = 0

  made(): void {
    this.#held += 1
    this.#heldMax = Math.max(this.#heldMax, this.#held)
  }

  taken(): void {
    this.#held -= 1
  }

  heldMax(): number {
    return this.#heldMax
  }
}

const Gauge = remote(PlainGauge)
const readTexts = remote(readInOrder, { streamBufferSize: BUFFER })
const takeFingerprint = remote(fingerprint)

await init()

const names = brownTexts(sized(500))
const gauge = await Gauge.create()

const cluster = await timed(async () => {
  const fingerprints: Uint32Array[] = []
  const texts = readTexts.remote(names, gauge)
  for await (const taken of takeFingerprint.map(texts, { inFlight: IN_FLIGHT })) {
    fingerprints.push(taken)
    await gauge.taken.run()
  }
  return fingerprints
})
const heldMax = await gauge.heldMax.run()
const [a, b, likeness] = mostAlike(cluster.value)
console.log(`${names.length} texts went through, never more than ${heldMax} at a time`)
console.log(
  `most alike: ${names[a]} and ${names[b]}, ${(likeness * 100).toFixed(1)} % of words shared`,
)
ok(heldMax <= HELD_MAX, `${heldMax} texts were held, and ${HELD_MAX} are allowed`)

const single = await timed(() =>
  names.map((name) => fingerprint({ name, words: [...new Set(wordsOf(name))] })),
)
deepStrictEqual(cluster.value, single.value)
compare({ cluster, single, singleIs: 'one thread, text after text' })

async function* readInOrder(
  wanted: string[],
  counter: ActorHandle<Methods<typeof PlainGauge>>,
): AsyncGenerator<Text> {
  for (const name of wanted) {
    await counter.made.run()
    yield { name, words: [...new Set(wordsOf(name))] }
  }
}

function fingerprint({ words }: Text): Uint32Array {
  const smallest = new Uint32Array(HASHES).fill(0xffff_ffff)
  for (const word of words) {
    let hash = 0x811c9dc5
    for (let i = 0; i < word.length; i++) hash = Math.imul(hash ^ word.charCodeAt(i), 0x01000193)
    for (let i = 0; i < HASHES; i++) {
      hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) + i
      const value = (hash ^ (hash >>> 12)) >>> 0
      if (value < (smallest[i] ?? 0)) smallest[i] = value
    }
  }
  return smallest
}

function mostAlike(fingerprints: Uint32Array[]): [a: number, b: number, likeness: number] {
  let best: [number, number, number] = [0, 0, 0]
  for (const [a, left] of fingerprints.entries()) {
    for (const [b, right] of fingerprints.entries()) {
      if (b <= a) continue
      let same = 0
      for (let i = 0; i < HASHES; i++) if (left[i] === right[i]) same++
      if (same / HASHES > best[2]) best = [a, b, same / HASHES]
    }
  }
  return best
}
