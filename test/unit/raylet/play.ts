// Reads a golden trace, plays its commands to a brain, and writes it anew with what came of them.
//   # a comment                      node CPU=2 GPU=1        (the first command)
//   driver D J · hello W · exit W SIGNAL · close C · tick MS
//   want C CLASS COUNT [CPU=1 ...] [group=G] · return C LEASE [retire] · kill-lease C LEASE
//   actor C ID [CPU=1 ...] [name=N] [restarts=N] · claimed ID · ready W ID INCARNATION
//   failed W ID · kill ID · gone C ID · watch C ID
//   group C ID CPU=1,CPU=1 · await G · remove G
//   drain MS · block C WAIT TASK ON[@ACTOR] [in=ACTOR] · unblock C WAIT
import type { ActorId } from '../../../runtime/common/ids.ts'
import type { RayletEffect } from '../../../runtime/raylet/turn.ts'
import { aClass, Brain, units } from './brain.ts'

const LINE = '----'

/** The trace as it should stand in its file. */
export function play(script: string): string {
  let brain = new Brain()
  const scenes = script.split(/\n\n+/).map((scene) => scene.trim())
  const played = scenes
    .filter((scene) => scene !== '')
    .map((scene) => {
      const commands = scene.split(`\n${LINE}`)[0]?.split('\n') ?? []
      const effects: string[] = []
      for (const command of commands) {
        if (command.startsWith('#')) continue
        if (command.startsWith('node')) brain = new Brain({ resources: wordsOf(command).amounts })
        else effects.push(...brain.show(run(brain, command)))
      }
      if (commands.every((command) => command.startsWith('#') || command.startsWith('node')))
        return scene
      return [...commands, LINE, ...effects].join('\n')
    })
  return `${played.join('\n\n')}\n`
}

interface Words {
  readonly verb: string
  readonly args: readonly string[]
  readonly options: Readonly<Record<string, string>>
  readonly amounts: Readonly<Record<string, number>>
}

function wordsOf(command: string): Words {
  const [verb = '', ...rest] = command.split(/\s+/)
  const pairs = rest.filter((word) => word.includes('=')).map((word) => word.split('='))
  const options = Object.fromEntries(pairs) as Record<string, string>
  const amounts = Object.entries(options).filter(([name]) => /^[A-Z]/.test(name))
  return {
    verb,
    args: rest.filter((word) => !word.includes('=')),
    options,
    amounts: Object.fromEntries(amounts.map(([name, amount]) => [name, Number(amount)])),
  }
}

function run(brain: Brain, command: string): RayletEffect[] {
  const words = wordsOf(command)
  const runner = RUNNERS[words.verb]
  if (runner === undefined) throw new Error(`the trace has an unknown command: ${command}`)
  return runner(brain, words)
}

type Runner = (brain: Brain, words: Words) => RayletEffect[]

const RUNNERS: Readonly<Record<string, Runner>> = {
  driver: (brain, { args: [name = '', job = ''] }) => brain.driver(name, job),
  hello: (brain, { args: [worker = ''] }) => brain.hello(worker),
  exit: (brain, { args: [worker = '', signal = 'SIGKILL'] }) => brain.exit(worker, { signal }),
  close: (brain, { args: [client = ''] }) => brain.close(client),
  tick: (brain, { args: [ms = '0'] }) => brain.tick(Number(ms)),
  want,
  return: (brain, { args: [client = '', lease = '', retire] }) =>
    brain.giveBack(client, Number(lease), retire === 'retire'),
  'kill-lease': (brain, { args: [client = '', lease = ''] }) =>
    brain.send({ kind: 'killLease', client: brain.id(client), leaseId: Number(lease) }),
  actor,
  claimed: (brain, { args: [actorId = ''] }) =>
    brain.send({ kind: 'nameClaimed', actorId: actorId as ActorId, holder: undefined }),
  ready: (brain, { args: [worker = '', actorId = '', incarnation = '0'] }) =>
    brain.send({
      kind: 'actorReady',
      client: brain.id(worker),
      actorId: actorId as ActorId,
      incarnation: Number(incarnation),
      address: `@${worker}`,
    }),
  failed: (brain, { args: [worker = '', actorId = ''] }) =>
    brain.send({
      kind: 'actorFailed',
      client: brain.id(worker),
      actorId: actorId as ActorId,
      error: { code: 'ERR_ACTOR_DIED', message: 'its constructor threw', data: {}, stack: '' },
    }),
  kill: (brain, { args: [actorId = ''] }) =>
    brain.send({
      kind: 'killActor',
      request: brain.nextRequest(),
      actorId: actorId as ActorId,
      noRestart: true,
    }),
  gone: (brain, { args: [client = '', actorId = ''] }) =>
    brain.send({ kind: 'actorHandlesGone', client: brain.id(client), actorId: actorId as ActorId }),
  watch: (brain, { args: [client = '', actorId = ''] }) =>
    brain.send({
      kind: 'watchActor',
      client: brain.id(client),
      request: brain.nextRequest(),
      actorId: actorId as ActorId,
    }),
  group,
  await: (brain, { args: [groupId = ''] }) =>
    brain.send({ kind: 'awaitGroup', request: brain.nextRequest(), groupId }),
  remove: (brain, { args: [groupId = ''] }) =>
    brain.send({ kind: 'removeGroup', request: brain.nextRequest(), groupId }),
  drain: (brain, { args: [graceMs = '0'] }) =>
    brain.send({ kind: 'drain', graceMs: Number(graceMs) }),
  block,
  unblock: (brain, { args: [client = '', wait = ''] }) => brain.unblock(client, Number(wait)),
}

function want(brain: Brain, { args, amounts, options }: Words): RayletEffect[] {
  const [client = '', classId = '0', count = '0'] = args
  const demand = Object.keys(amounts).length > 0 ? { demand: units(amounts) } : {}
  const groupId = options['group']
  const strategy =
    groupId === undefined
      ? {}
      : {
          strategy: {
            kind: 'PLACEMENT_GROUP',
            groupId,
            bundleIndex: -1,
            captureChildTasks: false,
          } as const,
        }
  return brain.want(client, Number(classId), Number(count), { ...demand, ...strategy })
}

function actor(brain: Brain, { args, amounts, options }: Words): RayletEffect[] {
  const [client = '', actorId = ''] = args
  const explicit = Object.keys(amounts).length > 0
  return brain.createActor(client, {
    actorId: actorId as ActorId,
    name: options['name'],
    maxRestarts: Number(options['restarts'] ?? 0),
    defaultResources: !explicit,
    scheduling: aClass({ name: 'Counter', ...(explicit ? { demand: units(amounts) } : {}) }),
  })
}

function group(
  brain: Brain,
  { args: [client = '', groupId = ''], options }: Words,
): RayletEffect[] {
  const count = Number(options['bundles'] ?? 1)
  const bundles = Array.from({ length: count }, () => units({ CPU: Number(options['each'] ?? 1) }))
  return brain.createGroup(client, { groupId, bundles })
}

function block(brain: Brain, { args, options }: Words): RayletEffect[] {
  const [client = '', wait = '', taskId = '', target = ''] = args
  const [on = '', of] = target.split('@')
  const inside = options['in']
  return brain.block(client, Number(wait), {
    taskId,
    on: [{ taskId: on, ...(of === undefined ? {} : { actorId: of }) }],
    ...(inside === undefined ? {} : { actorId: inside }),
  })
}
