// The layering rule of the project as data: an import may only point down.
//   L1. A folder imports itself and what MAY_IMPORT lists for it, types included, and nothing else.
//   L2. Composition roots (main, handler, init, connect) may import any folder, and only the sdk
//       imports them.
//   L3. A file whose suffix names a piece of the world (-uds, -process, ...) is imported by roots
//       and by other such files alone; everybody else is handed a port.
//   L4. A folder that is not listed here cannot be imported, nor import.
// Effects inside a file (Date, process, node:fs, ...) are the linter's: .oxlintrc.json.
const MAY_IMPORT = {
  'runtime/common': [],
  'runtime/protocol': ['runtime/common'],
  'runtime/scheduling': ['runtime/common'],
  'runtime/gcs': ['runtime/common', 'runtime/protocol'],
  'runtime/objects': ['runtime/common', 'runtime/protocol'],
  'runtime/core-worker': ['runtime/common', 'runtime/protocol', 'runtime/objects'],
  'runtime/raylet': [
    'runtime/common',
    'runtime/protocol',
    'runtime/scheduling',
    'runtime/gcs',
    'runtime/objects',
  ],
  'runtime/worker': [
    'runtime/common',
    'runtime/protocol',
    'runtime/objects',
    'runtime/core-worker',
  ],
  'runtime/burst': ['runtime/common', 'runtime/protocol', 'runtime/objects', 'runtime/core-worker'],
  'runtime/autoscaler': ['runtime/common', 'runtime/scheduling', 'runtime/gcs'],
  'runtime/jobs': ['runtime/common', 'runtime/protocol', 'runtime/gcs'],
  sdk: ['runtime/common', 'runtime/core-worker', 'runtime/jobs'],
  cli: ['runtime/common', 'runtime/gcs', 'runtime/jobs', 'sdk'],
  infra: ['runtime/common', 'runtime/gcs/tables.ts'],
}
const PROJECT = '^(runtime|sdk|cli|infra|test|scripts|examples)/'
const PRODUCT = '^(runtime|sdk|cli|infra)/'
const ROOT = '/(main|handler|init|connect)[.]ts$'
const WORLD = '-(dynamodb|s3|ec2|lambda|tcp|uds|process|file|shm|system|loader|http)[.]ts$'
const LISTED = `^(${Object.keys(MAY_IMPORT).join('|')})/`

const rankRules = Object.entries(MAY_IMPORT).map(([folder, below]) => ({
  name: `rank:${folder}`,
  comment: 'Imports point down (L1). Move the shared part down, take a port, or send a message.',
  severity: 'error',
  from: { path: `^${folder}/`, pathNot: ROOT },
  // What nothing may import (test, scripts) and what only the sdk may (roots) have rules of their own.
  to: {
    path: PROJECT,
    pathNot: `^(${[folder, ...below].join('|')})(/|$)|^(test|scripts|examples)/|${ROOT}`,
  },
}))

module.exports = {
  forbidden: [
    ...rankRules,
    {
      name: 'roots-are-imported-by-the-sdk-alone',
      comment: 'main, handler, init and connect are composition roots (L2).',
      severity: 'error',
      from: { path: '^(runtime|cli|infra)/' },
      to: { path: [`^(sdk|cli|infra)${ROOT}`, `^runtime/.*${ROOT}`] },
    },
    {
      name: 'world-only-from-roots',
      comment: 'Take a port, and let main, handler, init or connect hand it in (L3).',
      severity: 'error',
      from: { path: PRODUCT, pathNot: `${ROOT}|${WORLD}` },
      // remote() runs at the import of a user's module, before any root could hand in a port: the
      // registry of the process is therefore reached by name.
      to: {
        path: `^(runtime|sdk|cli|infra)/.*${WORLD}`,
        pathNot: '^runtime/core-worker/registry-system[.]ts$',
      },
    },
    {
      name: 'native-and-aws-only-in-world-files',
      comment: 'koffi, esbuild and the AWS SDK touch the world; only a suffix file may (L3).',
      severity: 'error',
      from: { path: '^(runtime|sdk|cli)/', pathNot: `${ROOT}|${WORLD}` },
      to: { path: 'node_modules/(koffi|esbuild|@aws-sdk|aws-lambda)/' },
    },
    {
      name: 'nothing-imports-tests-scripts-or-examples',
      severity: 'error',
      from: { path: PRODUCT },
      to: { path: '^(test|scripts|examples)/' },
    },
    {
      name: 'examples-use-the-package',
      comment: "Import 'virga', as a user would.",
      severity: 'error',
      from: { path: '^examples/' },
      to: { path: '^(runtime|cli|infra|test|scripts)/|^sdk/(?!index[.]ts$)' },
    },
    {
      name: 'unlisted-folder',
      comment: 'Give the new folder its place in MAY_IMPORT (L4).',
      severity: 'error',
      from: { path: PRODUCT, pathNot: LISTED },
      to: {},
    },
    {
      name: 'unlisted-folder-imported',
      severity: 'error',
      from: {},
      to: { path: PRODUCT, pathNot: LISTED },
    },
    { name: 'unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-cycles',
      comment:
        'Cycles of evaluation break imports. Types that name each other (an owner and its parts) do not.',
      severity: 'error',
      from: { pathNot: '/fixtures/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-orphans',
      comment: 'Nobody imports this file: delete it.',
      severity: 'error',
      from: { path: PRODUCT, orphan: true, pathNot: `${ROOT}|^sdk/index[.]ts$` },
      to: {},
    },
    {
      name: 'no-undeclared-packages',
      comment: 'Put the package into dependencies, pinned, with its line in DECISIONS.md.',
      severity: 'error',
      from: { path: PRODUCT },
      to: {
        // Optional peers (D41): only world files import them, and roots load those on demand.
        pathNot: 'node_modules/@aws-sdk/client-(dynamodb|s3)/',
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'npm-peer', 'undetermined'],
        dependencyTypesNot: ['type-only'],
      },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    moduleSystems: ['es6', 'cjs'],
    enhancedResolveOptions: {
      extensions: ['.ts', '.js'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
}
