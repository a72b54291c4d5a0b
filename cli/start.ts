// `virga start`: a cluster that outlives this command and serves several drivers.
import { UsageError } from '../runtime/common/errors.ts'
import { EXIT } from './exit-codes.ts'
import { allEnded } from './stop.ts'
import type { Input, StartedCluster, World } from './world.ts'

const PORT_MAX = 65_535
/** On one machine: each is a process with a store of its own. */
const NODES_MAX = 64

export async function run(world: World, input: Input): Promise<number> {
  refuseLater(input)
  const clusters = await world.clusters()
  const { options } = input
  const started = await clusters.start({
    numCpus: options['numCpus'] as number | undefined,
    numGpus: options['numGpus'] as number | undefined,
    resources: options['resources'],
    labels: options['labels'],
    objectStoreMemoryBytes: options['objectStoreMemoryBytes'] as number | undefined,
    port: portOf(options['port']),
    nodes: nodesOf(options['nodes']),
    host: hostOf(options['host']),
    endpointUrl: endpointOf(options),
  })
  tell(world, input, started)
  if (options['block'] === true) await block(world, started)
  return EXIT.DONE
}

function refuseLater(input: Input): void {
  const later = laterOption(input)
  if (later === undefined) return
  throw new UsageError(
    `${later} needs a later version; this one runs on one machine: virga start --num-cpus N`,
  )
}

function laterOption({ address, options }: Input): string | undefined {
  if (address !== undefined) return '--address: joining the cluster of another node'
  if (options['gcs'] === 'dynamodb' && options['endpointUrl'] === undefined) {
    return '--gcs dynamodb without --endpoint-url: tables that are deployed in AWS'
  }
  return undefined
}

function endpointOf(options: Input['options']): string | undefined {
  const gcs = (options['gcs'] ?? 'memory') as string
  if (gcs !== 'memory' && gcs !== 'dynamodb') {
    throw new UsageError(`--gcs must be memory or dynamodb, got '${gcs}'`)
  }
  const url = options['endpointUrl'] as string | undefined
  if (url === undefined) return undefined
  if (gcs === 'dynamodb' && URL.canParse(url) && url.startsWith('http')) return url
  if (gcs === 'memory') throw new UsageError('--endpoint-url goes with --gcs dynamodb')
  throw new UsageError(`--endpoint-url must be a URL such as http://127.0.0.1:4566, got '${url}'`)
}

function nodesOf(value: unknown): number {
  const nodes = Number(value)
  if (Number.isInteger(nodes) && nodes >= 1 && nodes <= NODES_MAX) return nodes
  throw new UsageError(`--nodes must be a whole number from 1 to ${NODES_MAX}, got ${nodes}`)
}

/** Written as HOST:PORT/NODE/EPOCH, so none of the marks may be in it. */
function hostOf(value: unknown): string {
  const host = String(value)
  if (/^[\w.-]+$/.test(host)) return host
  throw new UsageError(`--host must be an IPv4 address or a name of this machine, got '${host}'`)
}

function portOf(value: unknown): number {
  const port = Number(value)
  if (Number.isInteger(port) && port >= 1 && port <= PORT_MAX) return port
  throw new UsageError(`--port must be a whole number from 1 to ${PORT_MAX}, got ${port}`)
}

function tell(world: World, input: Input, { node }: StartedCluster): void {
  const nodes = Number(input.options['nodes'])
  const { screen } = world
  const { pid, address, sessionDir, nodeId, port } = node
  if (input.json) {
    screen.print(JSON.stringify({ address: `unix:${address}`, port, pid, nodeId, sessionDir }))
    return
  }
  const size = nodes === 1 ? '' : ` of ${nodes} nodes`
  screen.print(
    `${screen.paint('green', `A cluster${size} runs`)} (pid ${pid}, 127.0.0.1:${port ?? ''}).`,
  )
  screen.print('Programs find it by themselves: await init()')
  screen.print('Look at it with virga status; end it with virga stop.')
}

async function block(world: World, { gone, node, hold }: StartedCluster): Promise<void> {
  hold()
  const clusters = await world.clusters()
  const interrupted = new Promise<'interrupted'>((resolve) => {
    world.onInterrupt(() => {
      resolve('interrupted')
    })
  })
  if ((await Promise.race([gone, interrupted])) !== 'interrupted') return
  const nodes = clusters.nodesOf(node)
  const client = await clusters.connect(node)
  await client.stop()
  client.close()
  await allEnded(clusters, nodes)
}
