// `npm run format [-- PATH...]`: rewrites files as .oxfmtrc.json says; without paths, all of them.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'

const root = dirname(import.meta.dirname)
const paths = process.argv.length > 2 ? process.argv.slice(2) : ['.']
const tool = join(root, 'node_modules/oxfmt/bin/oxfmt')
const { status } = spawnSync(process.execPath, [tool, ...paths], { cwd: root, stdio: 'inherit' })
process.exitCode = status ?? 1
