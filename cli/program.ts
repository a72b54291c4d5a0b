// The command line: what the user typed, parsed by commander, becomes a call of one command.
// Wrong usage ends in exit code 2 with the nearest right name.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { UsageError } from '../runtime/common/errors.ts'
import { COMMANDS, LATER, type CommandSpec, type OptionSpec } from './commands.ts'
import { errorFields, EXIT, exitCodeOf } from './exit-codes.ts'
import type { Input, World } from './world.ts'

/** @param argv  without Node and the script. @returns the exit code. */
export async function runCommandLine(world: World, argv: readonly string[]): Promise<number> {
  let code: number = EXIT.DONE
  const program = programOf(world, (exit) => {
    code = exit
  })
  try {
    if (argv.length === 0) {
      program.outputHelp()
      return EXIT.DONE
    }
    await program.parseAsync([...argv], { from: 'user' })
    return code
  } catch (error) {
    const wrong = error instanceof CommanderError ? asUsage(error) : error
    if (wrong === undefined) return EXIT.DONE
    tellError(world, wrong, argv.includes('--json'))
    return exitCodeOf(wrong)
  }
}

/** As our own errors; undefined: help or a version was asked for, and shown. */
const asUsage = ({ exitCode, message }: CommanderError): UsageError | undefined =>
  exitCode === 0 ? undefined : new UsageError(message.replace(/^error: /, ''))

function tellError(world: World, error: unknown, json: boolean): void {
  const fields = errorFields(error)
  if (json) world.screen.print(JSON.stringify({ error: fields }))
  else world.screen.note(`virga: ${fields.message}`)
}

function programOf(world: World, ended: (code: number) => void): Command {
  const program = new Command('virga')
    .description('Tasks, actors and object refs for TypeScript.')
    .version(world.version, '--version', 'print the version')
    .helpOption('--help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ sortSubcommands: false })
    .configureOutput({
      writeOut: (text) => {
        world.screen.print(text.trimEnd())
      },
      outputError: () => undefined, // told once, where all errors are
    })
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
  for (const spec of COMMANDS) {
    const command = commandOf(program, spec)
    command.action(async (...given: unknown[]) => {
      ended(await runCommand(world, spec, given))
    })
  }
  for (const [name, [summary, needs]] of Object.entries(LATER)) later(program, name, summary, needs)
  return program
}

function commandOf(program: Command, spec: CommandSpec): Command {
  const command = program
    .command(`${spec.name}${spec.operands === undefined ? '' : ` ${spec.operands}`}`)
    .description(spec.summary)
    .helpOption('--help', 'show help')
    .passThroughOptions(spec.passesThrough ?? false)
  for (const option of spec.options ?? []) command.addOption(optionOf(option))
  if (spec.asksCluster) {
    command.option('--address <address>', "another cluster: 'unix:PATH' or '127.0.0.1:PORT'")
  }
  command.option('--json', 'print what programs can read')
  if (spec.more !== undefined) command.addHelpText('after', `\n${spec.more}`)
  return command
}

function optionOf({ flags, summary, read, initial, ...range }: OptionSpec): Option {
  const option = new Option(flags, summary)
  if (initial !== undefined) {
    option.default(initial, Array.isArray(initial) ? 'none' : undefined)
  }
  if (read === undefined) return option
  return option.argParser<unknown>((text, before) => {
    if (read === 'list') return [...((before ?? []) as readonly string[]), text]
    return read === 'json' ? jsonOf(text) : numberOf(text, read, range)
  })
}

function numberOf(
  text: string,
  read: 'count' | 'amount',
  { from = 0, to = Infinity }: Pick<OptionSpec, 'from' | 'to'>,
): number {
  const value = Number(text)
  const isGood = read === 'count' ? Number.isSafeInteger(value) : Number.isFinite(value)
  if (text.trim() !== '' && isGood && value >= from && value <= to) return value
  const what = read === 'count' ? 'a whole number' : 'a number'
  const range = to === Infinity ? `from ${from} on` : `from ${from} to ${to}`
  throw new InvalidArgumentError(`It must be ${what} ${range}.`)
}

function jsonOf(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text) as unknown
  } catch (error) {
    throw new InvalidArgumentError(`It is not JSON: ${(error as Error).message}.`)
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new InvalidArgumentError('It must be a JSON object, such as {"name": 1}.')
}

async function runCommand(
  world: World,
  spec: CommandSpec,
  given: readonly unknown[],
): Promise<number> {
  // Commander gives the operands, then the options, then the command.
  const options = given.at(-2) as Readonly<Record<string, unknown>>
  const args = given.slice(0, -2).flatMap((operand) => operand ?? []) as string[]
  const input: Input = {
    args,
    options,
    json: options['json'] === true,
    address: options['address'] as string | undefined,
  }
  const { run } = await spec.load()
  return await run(world, input)
}

function later(program: Command, name: string, summary: string, needs: string): void {
  program
    .command(`${name} [args...]`)
    .description(`${summary} (a later version)`)
    .helpOption('--help', 'show help')
    .allowUnknownOption()
    .passThroughOptions()
    .option('--json', 'print what programs can read')
    .action(() => {
      throw new UsageError(
        `virga ${name} needs ${needs}, which this version does not have. ` +
          'To run a program here: virga run app.ts',
      )
    })
}
