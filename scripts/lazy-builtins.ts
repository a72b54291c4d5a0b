// A plugin of the build: our modules take from Node's built-in modules what they name, no more.
// An import of `node:fs` makes Node read every export of it, and some of those load more when they
// are read: all of fs/promises, readline and the file streams for one readFileSync. Every worker's
// start paid for that, so the bundle asks for the module itself, and reads what it names.
// Invariants:
//   LB1. A name is read once, when the bundle is loaded, and only if the bundle uses it.
//   LB2. A name that the building Node does not have fails the build, as import would.
// Source: Node process.getBuiltinModule (22.3); lib/internal/bootstrap/realm.js, syncExports.
import type { Plugin } from 'esbuild'

const NAMESPACE = 'builtin'

export const lazyBuiltins: Plugin = {
  name: 'lazy-builtins',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace: NAMESPACE } : { path, external: true },
    )
    build.onLoad({ filter: /.*/, namespace: NAMESPACE }, ({ path }) => ({
      contents: moduleText(path),
      loader: 'js',
    }))
  },
}

/** What is marked pure and not used is left out by the bundler: LB1. */
function moduleText(name: string): string {
  const builtin = process.getBuiltinModule(name) as object
  const names = Object.keys(builtin).filter((key) => /^[\w$]+$/.test(key) && key !== 'default')
  const lines = names.map(
    (key) =>
      `const _${key} = /* @__PURE__ */ (() => builtin.${key})()\nexport { _${key} as ${key} }\n`,
  )
  const found = `process.getBuiltinModule(${JSON.stringify(name)})`
  return `const builtin = /* @__PURE__ */ (() => ${found})()\nexport default builtin\n${lines.join('')}`
}
