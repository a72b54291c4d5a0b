// The commands as data: what `virga --help` tells, what commander parses, and where each one is.
// A command's module is loaded when it is called, with the libraries that it alone needs.
import { DEAD_ACTORS_MAX } from '../runtime/common/limits.ts'
import { KIND_NAMES } from './raylet-client.ts'
import type { Run } from './world.ts'

export interface OptionSpec {
  /** As commander reads it: `--limit <n>`. */
  readonly flags: string
  readonly summary: string
  readonly read?: 'count' | 'amount' | 'json' | 'list'
  /** Of a count or an amount, both included; default: 0 and no end. */
  readonly from?: number
  readonly to?: number
  readonly initial?: unknown
}

export interface CommandSpec {
  readonly name: string
  readonly summary: string
  /** As commander reads it: `<file> [args...]`. */
  readonly operands?: string
  readonly options?: readonly OptionSpec[]
  /** Asks a cluster, which --address chooses. */
  readonly asksCluster: boolean
  /** Options behind the first operand belong to the program. */
  readonly passesThrough?: boolean
  readonly more?: string
  load(): Promise<{ readonly run: Run }>
}

const kinds = KIND_NAMES.join(', ')
const limit: OptionSpec = {
  flags: '--limit <n>',
  summary: 'rows shown at most',
  read: 'count',
  initial: 100,
}
const filter: OptionSpec = {
  flags: '--filter <key=value>',
  summary: 'only rows with this value (key!=value: without it); may be given again',
  read: 'list',
  initial: [],
}

/** On one machine: each is a process with a store of its own. */
const NODES_MAX = 64

const startOptions: readonly OptionSpec[] = [
  { flags: '--num-cpus <n>', summary: 'CPUs it offers (those of this machine)', read: 'amount' },
  { flags: '--num-gpus <n>', summary: 'GPUs it offers (0)', read: 'amount' },
  { flags: '--resources <json>', summary: 'custom resources: {"slots": 4}', read: 'json' },
  { flags: '--labels <json>', summary: 'labels of this node: {"disk": "ssd"}', read: 'json' },
  {
    flags: '--object-store-memory-bytes <n>',
    summary: 'size of the object store (30 % of memory, as far as /dev/shm has room)',
    read: 'count',
  },
  {
    flags: '--port <n>',
    summary: 'a new cluster is also known as 127.0.0.1:<n> (6379)',
    ...{ read: 'count', from: 1, to: 65_535 },
  },
  {
    flags: '--nodes <n>',
    summary: 'nodes of the cluster, all on this machine; 1 too is one that others can join',
    ...{ read: 'count', from: 1, to: NODES_MAX },
  },
  {
    flags: '--host <address>',
    summary: 'address of this machine at which its nodes reach each other (127.0.0.1)',
  },
  {
    flags: '--gcs <where>',
    summary: 'where the state of the cluster lies: memory (of the first node), or dynamodb',
  },
  { flags: '--endpoint-url <url>', summary: 'of DynamoDB and S3: those of an emulator' },
  {
    flags: '--cluster <name>',
    summary: 'whose tables hold it: in AWS deployed ones, at an emulator kept for the next start',
  },
  { flags: '--block', summary: 'stay, and end the cluster at Ctrl-C' },
]

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'run',
    summary: 'run a program here and watch its tasks',
    operands: '<file> [args...]',
    options: [
      { flags: '--cluster <name>', summary: 'run it on a deployed cluster' },
      { flags: '--plain', summary: 'no live view: the program has the terminal for itself' },
    ],
    asksCluster: true,
    passesThrough: true,
    more: 'It ends with the code of the program. Ctrl-C goes to the program.',
    load: () => import('./run.ts'),
  },
  {
    name: 'start',
    summary: 'start a cluster that several programs can use',
    options: startOptions,
    asksCluster: true,
    more: 'It returns when the cluster answers. Programs find it by themselves: init().',
    load: () => import('./start.ts'),
  },
  {
    name: 'stop',
    summary: 'end the cluster, and wait until nothing of it is left',
    asksCluster: true,
    load: () => import('./stop.ts'),
  },
  {
    name: 'status',
    summary: 'what the cluster has, what it does, what waits',
    options: [{ flags: '--why', summary: 'say for each waiting shape why it waits' }],
    asksCluster: true,
    load: () => import('./status.ts'),
  },
  {
    name: 'top',
    summary: 'watch the workers: what they run, CPU and memory',
    options: [
      {
        flags: '--interval-ms <n>',
        summary: 'time between two views',
        read: 'count',
        initial: 1000,
      },
      { flags: '--once', summary: 'one view, then end (also when piped)' },
    ],
    asksCluster: true,
    load: () => import('./top.ts'),
  },
  {
    name: 'list',
    summary: `rows of one kind: ${kinds}`,
    operands: '<kind>',
    options: [limit, filter],
    asksCluster: true,
    more:
      'Tasks are those that ended, the newest last; `virga summary tasks` counts all. Dead actors are ' +
      `listed with why they died: each node keeps the newest ${DEAD_ACTORS_MAX}, for as long as it lives; ` +
      'those that died with a node are kept by one that ended them.',
    load: () => import('./list.ts'),
  },
  {
    name: 'get',
    summary: 'all that is known of one thing, by its id or the start of it',
    operands: '<kind> <id>',
    asksCluster: true,
    load: () => import('./get.ts'),
  },
  {
    name: 'remove',
    summary: 'end a placement group that has outlived its job',
    operands: '<kind> <id>',
    asksCluster: true,
    more:
      '<kind> is `placement-group`, <id> its id or the start of it. Its resources are free again, and ' +
      'what runs in it ends.',
    load: () => import('./remove.ts'),
  },
  {
    name: 'summary',
    summary: 'how many there are, by function, class or state',
    operands: '<kind>',
    asksCluster: true,
    load: () => import('./summary.ts'),
  },
  {
    name: 'memory',
    summary: 'objects by size and owner, the store and what was spilled',
    options: [limit],
    asksCluster: true,
    load: () => import('./memory.ts'),
  },
  {
    name: 'timeline',
    summary: 'tasks over time as a trace for ui.perfetto.dev or chrome://tracing',
    options: [
      { flags: '--out <file>', summary: 'where to write it', initial: 'virga-timeline.json' },
    ],
    asksCluster: true,
    load: () => import('./timeline.ts'),
  },
  {
    name: 'logs',
    summary: "output of a worker, of a job's workers, or of the raylet",
    operands: '[what]',
    options: [{ flags: '-f, --follow', summary: 'go on with what comes' }],
    asksCluster: true,
    more:
      '<what> is `raylet`, or the start of the id of a worker or job. Without it, the logs that ' +
      'there are.',
    load: () => import('./logs.ts'),
  },
  {
    name: 'debug',
    summary: 'what the GCS costs: gcs-cost',
    operands: '<what>',
    asksCluster: true,
    more:
      'Units are those that DynamoDB told, in a cluster started with --gcs dynamodb. Exits with 1 ' +
      'when a budget is passed.',
    load: () => import('./debug.ts'),
  },
  {
    name: 'doctor',
    summary: 'check this machine, and say what to do',
    asksCluster: false,
    load: () => import('./doctor.ts'),
  },
]

/** Commands of later versions: they exist, and say what they need. */
export const LATER: Readonly<Record<string, readonly [summary: string, needs: string]>> = {
  submit: ['send a program to a deployed cluster', 'a deployed cluster on AWS'],
  deploy: ['create a cluster on AWS', 'the AWS parts of Virga'],
  bake: ['make a machine image for fast starts', 'the AWS parts of Virga'],
  report: ['what a job did and cost', 'the history of jobs, which is kept on AWS'],
  dashboard: ['the cluster in a browser', 'the web page of Virga'],
  replay: ['run a task again as it was', 'the durable lineage of tasks'],
}
