// The SDK's client as the GCS uses it, and the tables made with it where no CDK app does.
import {
  CreateTableCommand,
  DynamoDBClient,
  UpdateTimeToLiveCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb'
import { checkAnswers } from './aws-answers-http.ts'
import { TABLES, tableNameOf, type TableDefinition } from './tables.ts'

const CONNECT_TIMEOUT_MS = 1_000
const REQUEST_TIMEOUT_MS = 3_000
const CREATE_TIMEOUT_MS = 30_000
const SOCKETS_MAX = 64
const TABLE_WAIT_SECONDS = 30

export interface DynamoOptions {
  /** An emulator. Default: AWS. */
  readonly endpoint?: string
  /** Default: as the SDK finds it. */
  readonly region?: string
  /** How long an attempt may take. Default: 3 s. */
  readonly requestTimeoutMs?: number
}

export function dynamoClient(options: DynamoOptions): DynamoDBClient {
  const { endpoint, region, requestTimeoutMs = REQUEST_TIMEOUT_MS } = options
  const client = new DynamoDBClient({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    maxAttempts: 1, // attempts.ts repeats
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
      throwOnRequestTimeout: true,
      httpAgent: { maxSockets: SOCKETS_MAX },
      httpsAgent: { maxSockets: SOCKETS_MAX },
    },
  })
  checkAnswers(client)
  return client
}

/** Makes the cluster's tables. May be repeated: those that are there are left as they are. */
export async function createTables(cluster: string, options: DynamoOptions): Promise<void> {
  const client = dynamoClient({ requestTimeoutMs: CREATE_TIMEOUT_MS, ...options })
  try {
    await Promise.all(TABLES.map((table) => createTable(client, cluster, table)))
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
