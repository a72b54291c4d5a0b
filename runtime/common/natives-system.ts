// V8's own functions (%Name), which a program may call only where a flag allows it. The flag is set
// for as long as they are compiled, and is left as the program was started with.
// Source: V8 runtime-test.cc.
import { setFlagsFromString } from 'node:v8'
import { runInThisContext } from 'node:vm'

/** Whether the program itself was started with --allow-natives-syntax. */
let hadNatives: boolean | undefined
/** This V8 cannot be told. */
let isRefused = false

/**
 * Runs what calls V8's own functions. It is to make them inside by `nativesOf`, or call such ones,
 * which V8 compiles at their first call, and again when they were not called for long.
 * @returns undefined where this V8 refuses.
 */
export function withNatives<T>(run: () => T): T | undefined {
  if (isRefused) return undefined
  hadNatives ??= understandsNatives()
  setFlagsFromString('--allow-natives-syntax')
  try {
    return run()
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    isRefused = true
    return undefined
  } finally {
    if (!hadNatives) setFlagsFromString('--no-allow-natives-syntax')
  }
}

/** @param source  an expression: an object of functions that call V8's own. */
export const nativesOf = <T>(source: string): T => runInThisContext(`(${source})`) as T

function understandsNatives(): boolean {
  try {
    runInThisContext('() => %InYoungGeneration({})') // refused where it is compiled
    return true
  } catch (error) {
    if (error instanceof SyntaxError) return false
    throw error
  }
}
