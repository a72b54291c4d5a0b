// What a simulated run fails with: which promise was broken, and when.

export class SimulationFailure extends Error {
  readonly atMs: number

  constructor(what: string, atMs: number, cause?: unknown) {
    const why = cause instanceof Error ? `: ${cause.name}: ${cause.message}` : ''
    super(`at ${atMs.toFixed(3)} ms: ${what}${why}`, { cause })
    this.name = 'SimulationFailure'
    this.atMs = atMs
  }
}
