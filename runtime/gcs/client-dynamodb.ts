// The SDK's client as the GCS uses it, and the tables made with it where no CDK app does.
import {
  CreateTableCommand,
  DynamoDBClient,
  ListTablesCommand,
  UpdateTimeToLiveCommand,
  waitUntilTableExists,
  type ListTablesCommandOutput,
} from '@aws-sdk/client-dynamodb'
import { awsClientConfig, MAKING_ATTEMPTS, type AwsOptions } from './aws-client-system.ts'
import { checkAnswers } from './aws-answers-http.ts'
import { TABLES, clusterOfTable, tableNameOf, type TableDefinition } from './tables.ts'

const REQUEST_TIMEOUT_MS = 3_000
const CREATE_TIMEOUT_MS = 30_000
const TABLE_WAIT_SECONDS = 30

export function dynamoClient(options: AwsOptions): DynamoDBClient {
  const client = new DynamoDBClient(awsClientConfig(options, REQUEST_TIMEOUT_MS))
  checkAnswers(client)
  return client
}

/** Makes the cluster's tables. May be repeated: those that are there are left as they are. */
export async function createTables(cluster: string, options: AwsOptions): Promise<void> {
  const client = dynamoClient({
    ...{ requestTimeoutMs: CREATE_TIMEOUT_MS, maxAttempts: MAKING_ATTEMPTS },
    ...options,
  })
  try {
    await Promise.all(TABLES.map((table) => createTable(client, cluster, table)))
  } finally {
    client.destroy()
  }
}

/** Clusters whose tables are in that region, in the order of their names, and which region it is. */
export async function deployedClusters(
  options: AwsOptions,
): Promise<{ readonly region: string; readonly clusters: readonly string[] }> {
  const client = dynamoClient(options)
  try {
    const region = await client.config.region()
    const clusters: string[] = []
    for (let from: string | undefined; ;) {
      const page: ListTablesCommandOutput = await client.send(
        new ListTablesCommand({ ExclusiveStartTableName: from }),
      )
      clusters.push(...(page.TableNames ?? []).flatMap((name) => clusterOfTable(name) ?? []))
      from = page.LastEvaluatedTableName
      if (from === undefined) return { region, clusters }
    }
  } finally {
    client.destroy()
  }
}

async function createTable(
  client: DynamoDBClient,
  cluster: string,
  { name, partitionKey, sortKey, expiryAttribute }: TableDefinition,
): Promise<void> {
  const TableName = tableNameOf(cluster, name)
  const command = new CreateTableCommand({
    TableName,
    BillingMode: 'PAY_PER_REQUEST',
    AttributeDefinitions: [
      { AttributeName: partitionKey, AttributeType: 'S' },
      { AttributeName: sortKey, AttributeType: 'S' },
    ],
    KeySchema: [
      { AttributeName: partitionKey, KeyType: 'HASH' },
      { AttributeName: sortKey, KeyType: 'RANGE' },
    ],
  })
  try {
    await client.send(command)
  } catch (error) {
    if (error instanceof Error && error.name === 'ResourceInUseException') return
    throw error
  }
  await waitUntilTableExists(
    { client, maxWaitTime: TABLE_WAIT_SECONDS, minDelay: 1 },
    { TableName },
  )
  const TimeToLiveSpecification = { AttributeName: expiryAttribute, Enabled: true }
  await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification }))
}
