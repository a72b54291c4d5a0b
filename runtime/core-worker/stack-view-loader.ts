// How errors are shown in this process: frames of Virga and of Node are left out, the others are
// mapped by the source map of their file, if it has one.
import { fileURLToPath } from 'node:url'
import type { StackView } from '../common/stack.ts'
import { sourceMapper } from './function-source-map-file.ts'

let view: StackView | undefined

/** Made with the first error: reading maps costs. */
export function systemStackView(): StackView {
  view ??= { internalPrefixes: ownPrefixes(import.meta.url), map: sourceMapper() }
  return view
}

/** dist/ when built, runtime/ and sdk/ when the sources run. */
function ownPrefixes(here: string): readonly string[] {
  const folder = new URL(here.endsWith('.ts') ? '../../' : './', here).href
  const urls = here.endsWith('.ts') ? [`${folder}runtime/`, `${folder}sdk/`] : [folder]
  // CommonJS modules and tsx show paths.
  return [...urls, ...urls.map((url) => fileURLToPath(url))]
}
