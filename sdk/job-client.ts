// Jobs that run in a deployed cluster. The calls are those of the whole product; this version
// reaches no deployed cluster, and says so at each of them instead of pretending.
// Source: design 9; Ray JobSubmissionClient for the calls.
import { UsageError } from '../runtime/common/errors.ts'
import { nameText, option, readOptions } from '../runtime/common/option-checks.ts'

/** Which deployed cluster is meant. */
export interface JobClientOptions {
  /** Name of the deployed cluster. */
  cluster?: string
  /** AWS region it was deployed to. */
  region?: string
}

/** A program to run, and how. */
export interface JobSubmission {
  /** The program, a .ts or .js file. */
  entry: string
  args?: string[]
  /** Made by the caller, so that a repeated submit is one job. Default: a new one. */
  submissionId?: string
}

/** Where a job is in its life. */
export type JobStatus = 'PENDING' | 'RUNNING' | 'STOPPED' | 'SUCCEEDED' | 'FAILED'

/** One job, as `list` tells. */
export interface JobInfo {
  readonly submissionId: string
  readonly status: JobStatus
  readonly entry: string
}

/** Submits jobs to a deployed cluster and follows them. Every call of it throws UsageError now. */
export class JobClient {
  readonly #cluster: string | undefined

  /** @throws UsageError for an option that is unknown or no name. */
  constructor(options: JobClientOptions = {}) {
    const given = readOptions(options, 'JobClient()', { cluster: true, region: true })
    this.#cluster = option(given, 'cluster', nameText)
    option(given, 'region', nameText)
  }

  /** Start a job. @returns its submission id. */
  submit(_job: JobSubmission): Promise<string> {
    return this.#refuse('submit')
  }

  /** How far it is. */
  status(_submissionId: string): Promise<JobStatus> {
    return this.#refuse('status')
  }

  /** Its output so far. */
  logs(_submissionId: string): Promise<string> {
    return this.#refuse('logs')
  }

  /** The lines of its output, as they come. */
  // oxlint-disable-next-line require-yield -- there is nothing to follow yet
  async *follow(_submissionId: string): AsyncGenerator<string> {
    await this.#refuse('follow')
  }

  /** Resolves with how the job ended. */
  wait(_submissionId: string, _o?: { timeoutMs?: number }): Promise<JobStatus> {
    return this.#refuse('wait')
  }

  /** End a job. @returns whether it was running. */
  stop(_submissionId: string): Promise<boolean> {
    return this.#refuse('stop')
  }

  /** All jobs of the cluster. */
  list(): Promise<JobInfo[]> {
    return this.#refuse('list')
  }

  /** Forget a job that has ended. @returns whether there was one. */
  delete(_submissionId: string): Promise<boolean> {
    return this.#refuse('delete')
  }

  #refuse(call: string): Promise<never> {
    const where = this.#cluster === undefined ? '' : ` '${this.#cluster}'`
    const error = new UsageError(
      `JobClient.${call}() needs a deployed cluster${where} on AWS, which this version cannot ` +
        'reach yet; run the program here with `virga run app.ts`, or call init() in it',
    )
    return Promise.reject(error)
  }
}
