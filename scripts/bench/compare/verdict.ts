// Whether one commit is faster than another beyond the noise.
//   in   how many times better B was than A, one figure per pair of fresh processes
//   out  the mean ratio, its 99 % confidence interval, and a verdict
// Ratios are compared as logarithms, so that twice and half weigh the same.
// Source: Student's t for the mean of few pairs.

export interface Comparison {
  readonly ratio: number
  readonly low: number
  readonly high: number
  readonly verdict: 'faster' | 'slower' | 'no difference'
}

/** Less than this is never called a difference: which process started first can make it. */
const DIFFERENCE_MIN = 0.01

/** By degrees of freedom, from 1. More than these are taken for the last, which is the wider. */
const STUDENT_T_99 = [
  63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.25, 3.169, 3.106, 3.055, 3.012, 2.977,
  2.947, 2.921, 2.898, 2.878, 2.861, 2.845, 2.831, 2.819, 2.807, 2.797, 2.787, 2.779, 2.771, 2.763,
  2.756, 2.75,
]

/** @throws Error for fewer than two ratios. */
export function compareRatios(ratios: readonly number[]): Comparison {
  const count = ratios.length
  const t = STUDENT_T_99[Math.min(count - 1, STUDENT_T_99.length) - 1]
  if (t === undefined) throw new Error(`An interval needs two pairs; there are ${count}.`)
  const logs = ratios.map(Math.log)
  const mean = logs.reduce((sum, each) => sum + each, 0) / count
  const squares = logs.reduce((sum, each) => sum + (each - mean) ** 2, 0)
  const halfWidth = t * Math.sqrt(squares / (count - 1) / count)
  const [low, high] = [Math.exp(mean - halfWidth), Math.exp(mean + halfWidth)]
  const faster = low > 1 + DIFFERENCE_MIN
  const slower = high < 1 - DIFFERENCE_MIN
  const verdict = faster ? 'faster' : slower ? 'slower' : 'no difference'
  return { ratio: Math.exp(mean), low, high, verdict }
}
