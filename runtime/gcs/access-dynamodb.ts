// What all calls to the tables of one cluster share: the client, its repeats and its meter, where
// bodies lie, and the tokens that writes leave behind.
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { Random } from '../common/random.ts'
import { Attempts, type AttemptsDeps } from './attempts.ts'
import type { AwsOptions } from './aws-client-system.ts'
import { explainAws } from './aws-failure.ts'
import { Bodies, type BodiesDeps } from './bodies.ts'
import { dynamoClient } from './client-dynamodb.ts'
import { Consumption } from './consumption-dynamodb.ts'
import type { Meter } from './meter.ts'
import type { RowKey, TableName } from './storage.ts'
import { tableNameOf } from './tables.ts'

const TOKEN_BYTES = 9

export interface DynamoStorageDeps extends AttemptsDeps {
  readonly bodies: BodiesDeps
  readonly meter: Meter
}

export interface DynamoStorageOptions extends AwsOptions {
  /** The cluster's name: part of the tables' names. */
  readonly cluster: string
  /** How long a call is repeated. Default: CALL_DEADLINE_MS. */
  readonly deadlineMs?: number
}

export class DynamoAccess {
  readonly client: DynamoDBClient
  readonly attempts: Attempts
  readonly bodies: Bodies
  readonly consumption: Consumption
  readonly random: Random
  readonly #cluster: string

  constructor(deps: DynamoStorageDeps, options: DynamoStorageOptions) {
    this.client = dynamoClient(options)
    this.attempts = new Attempts(deps, explainAws, options.deadlineMs)
    this.bodies = new Bodies(deps.bodies)
    this.consumption = new Consumption(deps.meter, options.cluster)
    this.random = deps.random
    this.#cluster = options.cluster
  }

  /** The name a table has in the account. */
  table(name: TableName): string {
    return tableNameOf(this.#cluster, name)
  }

  newToken(): string {
    return Buffer.from(this.random.bytes(TOKEN_BYTES)).toString('base64url')
  }
}

/** Of a call, for messages: `putIf of cluster/N#3/ab12`. */
export const callName = (call: string, { table, pk, sk }: RowKey): string =>
  `${call} of ${table}/${pk}/${sk}`
