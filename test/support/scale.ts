// How heavy the heavy tests are: `npm test` runs them at a tenth, `npm run test:full` whole, and of
// all files only those that ask here.

/** As programs are told it. */
export const SCALE = process.env['VIRGA_TEST_SCALE'] ?? '0.1'
const scale = Number(SCALE)
if (!(scale > 0 && scale <= 1)) {
  throw new Error('VIRGA_TEST_SCALE must be above 0 and at most 1; npm run test:full sets 1.')
}

/** `count` of the full size, made smaller for this run, but never below `countMin`. */
export const scaled = (count: number, countMin = 1): number =>
  Math.max(countMin, Math.round(count * scale))

/** Of a test with so few rounds that a tenth says nothing: some in a fast run, all in a whole one. */
export const fewOrAll = (few: number, all: number): number => (scale === 1 ? all : few)
