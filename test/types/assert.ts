import { remote, get, put, wait, cancel, getActor, kill, type ObjectRef, type ObjectRefStream, type ActorHandle, type RemoteFunction } from 'virga'
type Eq<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
declare function is<A, B>(ok: Eq<A, B>): void

// --- tasks
const square = remote((x: number) => x * x)
const refN = square.remote(2)
is<typeof refN, ObjectRef<number>>(true)                                    // 1
const ran = square.run(4); is<typeof ran, Promise<number>>(true)            // 2
square.remote(refN)                                                         // 3 a ref of the type
// @ts-expect-error 4 wrong argument type
square.remote('x')
const refS = remote((s: string) => s).remote('a')
// @ts-expect-error 5 ref of the wrong type
square.remote(refS)
// @ts-expect-error 6 too few
square.remote()
// @ts-expect-error 7 too many
square.remote(1, 2)
const asyncFn = remote(async (s: string) => s.length)
is<ReturnType<typeof asyncFn.remote>, ObjectRef<number>>(true)              // 8
const opt = remote((a: number, b?: string, ...c: boolean[]) => [a, b, c] as const)
opt.remote(1); opt.remote(1, 'b'); opt.remote(1, refS, true, false)         // 9
// @ts-expect-error 10 rest element type
opt.remote(1, 'b', 3)
opt.remote(refN, undefined, remote(() => true).remote())                    // 11 a ref in the rest; ObjectRef<boolean> not split
const union = remote((x: number | string) => x)
union.remote(refN); union.remote(refS)                                      // 12 covariance
const takesRef = remote((r: ObjectRef<number>) => r.id)
// @ts-expect-error 13 a top-level ref is dereferenced: ObjectRef<number> would arrive as number
takesRef.remote(refN)
const refRef = await put(refN); takesRef.remote(refRef)                     // 14
remote((b: { r: ObjectRef<number> }) => b.r).remote({ r: refN })            // 15 inside a value: as a ref
const anyArg = remote((x: any) => x as number); anyArg.remote(refN)         // 16
const never = remote((): never => { throw new Error('x') })
is<ReturnType<typeof never.remote>, ObjectRef<never>>(true)                 // 17
const anyRet = remote((): any => 1)
is<ReturnType<typeof anyRet.remote>, ObjectRef<any>>(true)                  // 18

// --- options
const pair = remote((n: number): [number, string] => [n, 'x'])
const two = pair.options({ numReturns: 2 }).remote(1)
is<typeof two, [ObjectRef<number>, ObjectRef<string>]>(true)                // 19
const two2 = remote((n: number): [number, string] => [n, 'x'], { numReturns: 2, name: 'p' }).remote(1)
is<typeof two2, [ObjectRef<number>, ObjectRef<string>]>(true)               // 20
const two3 = pair.options({ numReturns: 2 }).options({ name: 'q' }).remote(1)
is<typeof two3, [ObjectRef<number>, ObjectRef<string>]>(true)               // 21 kept
const zero = pair.options({ numReturns: 0 }).remote(1); is<typeof zero, undefined>(true)   // 22
declare const k: number
const many = remote((): string[] => []).options({ numReturns: k }).remote(); is<typeof many, ObjectRef<string>[]>(true)   // 23
// @ts-expect-error 24 unknown option beside a known one
square.options({ numCpus: 1, bogus: 2 })
// @ts-expect-error 25 misspelt option alone
square.options({ numCpu: 1 })
// @ts-expect-error 26 unknown option of remote()
remote((x: number) => x, { numCpus: 1, retries: 2 })
// @ts-expect-error 27 option of the wrong type
square.options({ burst: 'sometimes' })
square.options({ retryExceptions: [RangeError], schedulingStrategy: 'SPREAD' })   // 28

// --- streams
const gen = remote(async function* (n: number) { for (let i = 0; i < n; i++) yield String(i) })
const stream = gen.remote(3); is<typeof stream, ObjectRefStream<string>>(true)   // 29
const syncGen = remote(function* () { yield 1; return 'end' }); const s2 = syncGen.remote(); is<typeof s2, ObjectRefStream<number>>(true)   // 30
const vals = gen.run(3); is<typeof vals, AsyncIterable<string>>(true)       // 31
for await (const r of stream) { is<typeof r, ObjectRef<string>>(true) }     // 32
// @ts-expect-error 33 a stream is not a ref
await get(stream)

// --- get, wait, put, cancel
const one = await get(refN); is<typeof one, number>(true)                   // 34
const tuple = await get([refN, refS]); is<typeof tuple, [number, string]>(true)   // 35
const list = await get([1, 2].map(x => square.remote(x))); is<typeof list, number[]>(true)   // 36
// @ts-expect-error 37 get of a non-ref
await get(5)
// @ts-expect-error 38 get of non-refs
await get([refN, 5])
// @ts-expect-error 39 two refs of different types mixed up
const mixed: ObjectRef<string> = refN
const [ready, pending] = await wait([refN, refS], { numReturns: 1 })
is<typeof ready, (ObjectRef<number> | ObjectRef<string>)[]>(true)           // 40
const w = await wait([refN, square.remote(3)]); is<typeof w, [ready: ObjectRef<number>[], pending: ObjectRef<number>[]]>(true)   // 41
await cancel(stream); await cancel(refN, { force: true })                   // 42
// @ts-expect-error 43 a ref is not thenable
refN.then
// @ts-expect-error 44 cannot be made by hand
new (0 as unknown as typeof import('virga').ObjectRef)()

// --- map
for await (const v of square.map([1, 2, 3])) is<typeof v, number>(true)     // 45
const add = remote((a: number, b: number) => `${a + b}`)
for await (const v of add.map([1], { ordered: false }, refN)) is<typeof v, string>(true)   // 46
// @ts-expect-error 47 a required second argument is missing
add.map([1])
// @ts-expect-error 48 wrong shared argument
add.map([1], undefined, 'x')
for await (const v of square.mapSettled([1])) { if (v.status === 'fulfilled') is<typeof v.value, number>(true); else is<typeof v.reason, unknown>(true) }   // 49
const refs = square.mapRefs([1, 2]); is<typeof refs, ObjectRef<number>[]>(true); square.mapRefs(refs)   // 50
// @ts-expect-error 51 wrong input type
square.map(['a'])
const noTail = remote((...xs: number[]) => xs.length); noTail.mapRefs([1], 2, 3)   // 52

// --- actors
class Counter {
  static made = 0
  value = 0
  #hidden() { return 1 }
  private secret() { return this.#hidden() }
  protected inner() { return this.secret() }
  _internal() { return 1 }
  get double() { return this.value * 2 }
  constructor(start: number, readonly label?: string) { this.value = start }
  add(by = 1) { return this.value += by }
  async read(): Promise<string> { return String(this.value) }
  *ticks(n: number) { for (let i = 0; i < n; i++) yield i }
  split(): [number, string] { return [this.value, 'x'] }
  override(r: { ref: ObjectRef<number> }) { return r.ref }
}
const RemoteCounter = remote(Counter)
const c = RemoteCounter.remote(refN)                                        // 53 ctor argument as a ref
is<ReturnType<typeof c.add.remote>, ObjectRef<number>>(true)                // 54
c.add.run(); c.add.run(refN)                                                // 55
is<ReturnType<typeof c.read.run>, Promise<string>>(true)                    // 56
is<ReturnType<typeof c.ticks.remote>, ObjectRefStream<number>>(true)        // 57
const sp = c.split.options({ numReturns: 2 }).remote(); is<typeof sp, [ObjectRef<number>, ObjectRef<string>]>(true)   // 58
// @ts-expect-error 59 private
c.secret
// @ts-expect-error 60 protected
c.inner
// @ts-expect-error 61 underscore
c._internal
// @ts-expect-error 62 field
c.value
// @ts-expect-error 63 misspelt
c.ad
// @ts-expect-error 64 accessor
c.double
// @ts-expect-error 65 then
c.then
// @ts-expect-error 66 wrong constructor argument
RemoteCounter.remote('x')
const made = await RemoteCounter.create(1, 'l'); is<typeof made, typeof c>(true)   // 67
const byName = await RemoteCounter.get('c'); byName.add.run(1)              // 68
const typed = await getActor<typeof Counter>('c'); is<ReturnType<typeof typed.add.run>, Promise<number>>(true)   // 69
const untyped = await getActor('c'); await kill(untyped); untyped['add']?.run(1)   // 70
const Split = remote(Counter, { maxConcurrency: 4, methods: { split: { numReturns: 2 } } })
const sp2 = Split.remote(1).split.remote(); is<typeof sp2, [ObjectRef<number>, ObjectRef<string>]>(true)   // 71
// @ts-expect-error 72 options for a method that is not there
remote(Counter, { methods: { spilt: { numReturns: 2 } } })
// @ts-expect-error 73 unknown actor option
remote(Counter, { maxRestart: 1 })
// @ts-expect-error 74 unknown actor option beside a known one
remote(Counter, { maxRestarts: 1, bogus: 1 })
const passes = remote((h: ActorHandle<typeof c extends ActorHandle<infer M> ? M : never>) => h.add.run(1)); passes.remote(c)   // 75
kill(c)                                                                     // 76
// @ts-expect-error 77 kill of a non-handle
kill({})
// @ts-expect-error 78 call option unknown
c.add.options({ numCpus: 1 })

// --- known limits, pinned: overloads give the last signature, type parameters become unknown
function over(x: number): number; function over(x: string): string; function over(x: any) { return x }
const ov = remote(over); is<ReturnType<typeof ov.remote>, ObjectRef<string>>(true)   // 79
// @ts-expect-error 80 the first overload is not seen
ov.remote(1)
const idf = remote(<T>(x: T) => x); const idr = idf.remote(1); is<typeof idr, ObjectRef<unknown>>(true)   // 81

export const exported = remote((x: number, y?: string) => [x, y] as [number, string | undefined])   // 82 emitted
export const Exported = remote(class Priv { private p = 1; #q = 2; inc(x: number) { return this.p + this.#q + x } })   // 83 emitted
export const ExportedCounter: typeof RemoteCounter = RemoteCounter
export const withOptions: RemoteFunction<(x: number) => number> = square
