// `virga start`: a cluster that outlives this command and serves several drivers.
import { UsageError } from '../runtime/common/errors.ts'
import { EXIT } from './exit-codes.ts'
import { allEnded } from './stop.ts'
import type { Input, StartedCluster, TablesPlace, World } from './world.ts'

const PORT = 6379
/** Part of the names of tables and of a bucket, which allow no more. */
const CLUSTER_NAME = /^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$/

export async function run(world: World, input: Input): Promise<number> {
  const clusters = await world.clusters()
  const { options, address } = input
  const ofNodes = {
    numCpus: options['numCpus'] as number | undefined,
    numGpus: options['numGpus'] as number | undefined,
    resources: options['resources'],
    labels: options['labels'],
    objectStoreMemoryBytes: options['objectStoreMemoryBytes'] as number | undefined,
    nodes: options['nodes'] as number | undefined,
    host: hostOf(options['host'] as string | undefined),
  }
  if (address !== undefined) refuseNewClusters(options)
  else refuseHostOfOne(options)
  const started =
    address === undefined
      ? await clusters.start({
          ...ofNodes,
          port: (options['port'] ?? PORT) as number,
          tables: tablesOf(options),
        })
      : await clusters.join(address, ofNodes)
  tell(world, input, started)
  if (options['block'] === true) await block(world, input, started)
  return EXIT.DONE
}

/** What only a new cluster can be given. */
function refuseNewClusters(options: Input['options']): void {
  const given = {
    port: '--port',
    gcs: '--gcs',
    endpointUrl: '--endpoint-url',
    cluster: '--cluster',
  }
  for (const [name, flag] of Object.entries(given)) {
    if (options[name] === undefined) continue
    throw new UsageError(
      `${flag} is of a new cluster; with --address nodes join one that has its own`,
    )
  }
}

/** A node without others, and without tables by which others could find it, listens to nobody. */
function refuseHostOfOne({ host, nodes, gcs }: Input['options']): void {
  if (host === undefined || nodes !== undefined || (gcs ?? 'memory') !== 'memory') return
  throw new UsageError(
    '--host is where nodes reach each other, and this cluster has one that listens to no other: ' +
      'give --nodes or --gcs dynamodb as well, or leave --host out',
  )
}

function tablesOf(options: Input['options']): TablesPlace | undefined {
  const gcs = (options['gcs'] ?? 'memory') as string
  if (gcs !== 'memory' && gcs !== 'dynamodb') {
    throw new UsageError(`--gcs must be memory or dynamodb, got '${gcs}'`)
  }
  const endpointUrl = options['endpointUrl'] as string | undefined
  const cluster = options['cluster'] as string | undefined
  if (gcs === 'memory') {
    if (endpointUrl === undefined && cluster === undefined) return undefined
    throw new UsageError('--endpoint-url and --cluster go with --gcs dynamodb')
  }
  checkPlace({ endpointUrl, cluster })
  return { endpointUrl, cluster }
}

function checkPlace({ endpointUrl, cluster }: TablesPlace): void {
  if (endpointUrl !== undefined && !/^https?:\/\/[^/]/.test(endpointUrl)) {
    throw new UsageError(
      `--endpoint-url must be a URL such as http://127.0.0.1:4566, got '${endpointUrl}'`,
    )
  }
  if (cluster !== undefined && !CLUSTER_NAME.test(cluster)) {
    throw new UsageError(
      `--cluster must be 2 to 40 of a-z, 0-9 and -, as tables and buckets have, got '${cluster}'`,
    )
  }
  if (endpointUrl === undefined && cluster === undefined) {
    throw new UsageError(
      '--gcs dynamodb uses the tables of a cluster that is deployed in AWS: say which with ' +
        '--cluster NAME, or give the --endpoint-url of an emulator',
    )
  }
}

/** Written as HOST:PORT/NODE/EPOCH, so none of the marks may be in it. */
function hostOf(host = '127.0.0.1'): string {
  if (/^[\w.-]+$/.test(host)) return host
  throw new UsageError(`--host must be an IPv4 address or a name of this machine, got '${host}'`)
}

function tell(world: World, input: Input, { node }: StartedCluster): void {
  const nodes = Number(input.options['nodes'] ?? 1)
  const { screen } = world
  const { pid, address, sessionDir, nodeId, port } = node
  if (input.json) {
    screen.print(JSON.stringify({ address: `unix:${address}`, port, pid, nodeId, sessionDir }))
    return
  }
  if (input.address !== undefined) {
    const joined = nodes === 1 ? 'A node has joined' : `${nodes} nodes have joined`
    screen.print(`${screen.paint('green', `${joined} the cluster`)} (pid ${pid}, unix:${address}).`)
    return
  }
  const size = nodes === 1 ? '' : ` of ${nodes} nodes`
  screen.print(
    `${screen.paint('green', `A cluster${size} runs`)} (pid ${pid}, 127.0.0.1:${port ?? ''}).`,
  )
  screen.print('Programs find it by themselves: await init()')
  screen.print('Look at it with virga status; end it with virga stop.')
}

async function block(
  world: World,
  input: Input,
  { gone, node, hold, leave }: StartedCluster,
): Promise<void> {
  hold()
  const clusters = await world.clusters()
  const interrupted = new Promise<'interrupted'>((resolve) => {
    world.onInterrupt(() => {
      resolve('interrupted')
    })
  })
  if ((await Promise.race([gone, interrupted])) !== 'interrupted') return
  if (input.address !== undefined) {
    leave()
    await gone
    return
  }
  const nodes = clusters.nodesOf(node)
  const client = await clusters.connect(node)
  await client.stop()
  client.close()
  await allEnded(clusters, nodes)
}
