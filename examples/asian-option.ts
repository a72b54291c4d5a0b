// An Asian call, whose payoff follows the average price of 252 days, priced by random paths.
// Nobody has a formula for the arithmetic average; for the geometric one Kemna and Vorst have, and
// both come from the same paths, so the paths can be checked.

const SPOT = 100
const STRIKE = 100
const RATE = 0.05
const VOLATILITY = 0.2
const DAYS = 252

/** Sums over `paths` random paths, so that batches can be added up. Prices are discounted. */
export interface Batch {
  readonly seed: number
  readonly paths: number
  readonly arithmetic: number
  readonly arithmeticSquared: number
  readonly geometric: number
}

/** The same `seed` draws the same paths, wherever it runs. */
export function priceBatch(seed: number, paths: number): Batch {
  const gaussian = gaussianFrom(seed)
  const drift = (RATE - VOLATILITY ** 2 / 2) / DAYS
  const step = VOLATILITY / Math.sqrt(DAYS)
  const discount = Math.exp(-RATE)
  let [arithmetic, arithmeticSquared, geometric] = [0, 0, 0]
  for (let path = 0; path < paths; path++) {
    let [logPrice, sum, logSum] = [Math.log(SPOT), 0, 0]
    for (let day = 0; day < DAYS; day++) {
      logPrice += drift + step * gaussian()
      logSum += logPrice
      sum += Math.exp(logPrice)
    }
    const payoff = discount * Math.max(0, sum / DAYS - STRIKE)
    arithmetic += payoff
    arithmeticSquared += payoff * payoff
    geometric += discount * Math.max(0, Math.exp(logSum / DAYS) - STRIKE)
  }
  return { seed, paths, arithmetic, arithmeticSquared, geometric }
}

export interface Price {
  readonly paths: number
  readonly arithmetic: number
  readonly geometric: number
  /** How far the arithmetic price may be off, as one standard deviation. */
  readonly standardError: number
}

export function priceOf(batches: readonly Batch[]): Price {
  const total = (field: keyof Batch): number => batches.reduce((sum, b) => sum + b[field], 0)
  const paths = total('paths')
  const arithmetic = total('arithmetic') / paths
  const variance = total('arithmeticSquared') / paths - arithmetic ** 2
  const standardError = Math.sqrt(variance / paths)
  return { paths, arithmetic, geometric: total('geometric') / paths, standardError }
}

/** The exact price over the geometric average: Kemna and Vorst, 1990, for daily prices. */
export function geometricPrice(): number {
  const sigma = VOLATILITY * Math.sqrt(((DAYS + 1) * (2 * DAYS + 1)) / (6 * DAYS ** 2))
  const mu = ((RATE - VOLATILITY ** 2 / 2) * (DAYS + 1)) / (2 * DAYS) + sigma ** 2 / 2
  const d1 = (Math.log(SPOT / STRIKE) + mu + sigma ** 2 / 2) / sigma
  const forward = SPOT * Math.exp(mu) * normalCdf(d1) - STRIKE * normalCdf(d1 - sigma)
  return Math.exp(-RATE) * forward
}

/** Normal numbers by Marsaglia's polar method over a 32-bit generator (mulberry32). */
function gaussianFrom(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b9)
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  let spare = Number.NaN
  return () => {
    if (!Number.isNaN(spare)) {
      const value = spare
      spare = Number.NaN
      return value
    }
    let [x, y, square] = [0, 0, 0]
    while (square === 0 || square >= 1) {
      ;[x, y] = [2 * uniform() - 1, 2 * uniform() - 1]
      square = x * x + y * y
    }
    const factor = Math.sqrt((-2 * Math.log(square)) / square)
    spare = y * factor
    return x * factor
  }
}

/** Zelen and Severo's approximation of the normal distribution, off by less than 1e-7. */
function normalCdf(x: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(x))
  const series = [0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429]
  const tail = series.reduce((sum, c, i) => sum + c * t ** (i + 1), 0)
  const density = Math.exp(-(x * x) / 2) / Math.sqrt(2 * Math.PI)
  return x > 0 ? 1 - density * tail : density * tail
}
