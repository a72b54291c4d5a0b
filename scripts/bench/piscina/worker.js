// What a thread of piscina runs in the bench.
export function smallValue() {
  return 'ok'
}
