// Means and deviations of rounds. Source: numpy's mean and std, which Ray's harness prints.

export function mean(values: readonly number[]): number | null {
  if (values.length === 0) return null
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Of the whole population, as numpy.std has it. */
export function standardDeviation(values: readonly number[]): number | null {
  const middle = mean(values)
  if (middle === null) return null
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)) ?? 0)
}
