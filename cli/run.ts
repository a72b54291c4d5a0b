// `virga run app.ts`: runs a program with this Node and shows what its tasks do: a live view on a
// terminal, a line now and then elsewhere. It ends with the program's own code.
import { UsageError } from '../runtime/common/errors.ts'
import { plural } from './amounts.ts'
import {
  Progress,
  PROGRESS_COLUMNS,
  progressCells,
  progressLine,
  type FunctionProgress,
} from './progress.ts'
import { tableText } from './table.ts'
import { ProgramWatch } from './watch-program.ts'
import type { Input, LiveView, ProgramOptions, World } from './world.ts'

/** Between two looks at the cluster; more often until there is something to see. */
const LOOK_MS = 500
const FIRST_LOOK_MS = 50
/** Between two lines where there is no live view. */
const LINE_MS = 5000
/** Functions in the live view; the rest is counted. */
const SHOWN_MAX = 12

export async function run(world: World, input: Input): Promise<number> {
  const [file = '', ...args] = input.args
  if (input.options['cluster'] !== undefined || namesCluster(args)) {
    throw new UsageError(
      'virga run --cluster needs a deployed cluster on AWS, which this version cannot reach yet; ' +
        `run it here: virga run ${file}, and give the program an option of that name after --`,
    )
  }
  const [clusters, programs] = await Promise.all([world.clusters(), world.programs()])
  const isLive = world.screen.isErrorTty && input.options['plain'] !== true && !input.json
  const view = isLive ? await world.screen.view('stderr') : undefined
  const address = input.address ?? world.env['VIRGA_ADDRESS']
  // Said here rather than by the program, which would be started for nothing.
  if (input.address !== undefined) clusters.find(input.address)
  const program = programs.run({
    file,
    args: ofProgram(args),
    env: input.address === undefined ? {} : { VIRGA_ADDRESS: input.address },
    ...outputOf(world, view),
  })
  const watch = new ProgramWatch(clusters, {
    pid: program.pid,
    address,
    sleep: (ms) => world.sleep(ms),
  })
  const show = view === undefined ? lines(world, input) : live(world, view)
  const code = await follow(world, { watch, show, ended: program.ended })
  view?.done({ keep: true })
  return code
}

/** The `--` right behind the program is ours: it parts what is the program's from our options. */
const ofProgram = (args: readonly string[]): readonly string[] =>
  args[0] === '--' ? args.slice(1) : args

/** `virga run app.ts --cluster NAME` means us; what stands behind `--` is the program's. */
function namesCluster(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  const ours = end < 0 ? args : args.slice(0, end)
  return ours.some((arg) => arg === '--cluster' || arg.startsWith('--cluster='))
}

/** Above the view goes what shares its terminal with it; the rest keeps its own way. */
function outputOf(world: World, view: LiveView | undefined): Pick<ProgramOptions, 'onOutput'> {
  if (view === undefined) return {}
  return {
    onOutput: {
      ...(world.screen.isTty
        ? {
            stdout: (chunk: Uint8Array) => {
              view.above('stdout', chunk)
            },
          }
        : {}),
      stderr: (chunk) => {
        view.above('stderr', chunk)
      },
    },
  }
}

type Show = (functions: readonly FunctionProgress[], last: boolean) => Promise<void>

async function follow(
  world: World,
  parts: { readonly watch: ProgramWatch; readonly show: Show; readonly ended: Promise<number> },
): Promise<number> {
  const { watch, show } = parts
  const progress = new Progress(world.clock.monotonicMs())
  let code: number | undefined
  const ended = parts.ended.then((exit) => {
    code = exit
  })
  while (code === undefined) {
    await world.sleep(progress.functions.length === 0 ? FIRST_LOOK_MS : LOOK_MS, ended)
    if (code !== undefined) break
    progress.update(await watch.rows(), world.clock.monotonicMs())
    await show(progress.functions, false)
  }
  progress.update(await watch.end(), world.clock.monotonicMs())
  await show(progress.functions, true)
  return code
}

function live(world: World, view: LiveView): Show {
  return async (functions) => {
    if (functions.length === 0) return
    const shown = functions.slice(0, SHOWN_MAX)
    const cells = shown.map(progressCells)
    const table = await tableText(world.screen, PROGRESS_COLUMNS, cells, view.columns)
    const rest = functions.length - shown.length
    view.show(rest === 0 ? table : `${table}\nand ${plural(rest, 'function')} more`)
  }
}

/** On standard error: standard output is the program's. */
function lines(world: World, input: Input): Show {
  let saidMs = world.clock.monotonicMs()
  let said = ''
  return (functions, last) => {
    const nowMs = world.clock.monotonicMs()
    if (!last && nowMs - saidMs < LINE_MS) return Promise.resolve()
    const text = input.json
      ? JSON.stringify({ event: last ? 'end' : 'progress', functions })
      : functions.map((each) => `virga: ${progressLine(each)}`).join('\n')
    if (text !== '' && text !== said) world.screen.note(text)
    said = text
    saidMs = nowMs
    return Promise.resolve()
  }
}
