// What the programs of drivers have in common: what they write into the story of a run, and which
// errors may come of its faults.
import { VirgaError } from '../../../runtime/common/errors.ts'
import { entryOf, type ObjectRef } from '../../../runtime/core-worker/object-ref.ts'
import { readLineage } from '../../../runtime/core-worker/ref-lineage.ts'
import type { PartHost } from './program.ts'

/** What of an error is part of the story. */
export const ERROR_CHARS_MAX = 200

export class Judge {
  readonly #host: Pick<PartHost, 'cluster' | 'member'>

  constructor(host: Pick<PartHost, 'cluster' | 'member'>) {
    this.#host = host
  }

  /** For the story of a run. */
  note(what: string): void {
    const { trace, nowMs } = this.#host.cluster.world.scheduler
    const { machine, driver } = this.#host.member
    trace.add(nowMs, driver?.name ?? machine, what)
  }

  /** DJ2: a result of a durable job is told once what makes it again is in the GCS. A driver whose
   *  raylet leaves, or is gone, is told what it has: its job is over. */
  told(key: string, ref: ObjectRef): void {
    const { cluster, member } = this.#host
    if (!member.isServing) return
    const core = cluster.world.drivers.find(({ process }) => process === member.driver)?.core
    if (core?.durable === undefined || core.lineageStream === undefined) return
    const lineage = core.lineageStream.carry(entryOf(ref))
    if (lineage.length === 0) return // nothing makes it again
    const { owner, sequence } = readLineage(lineage).place
    if (cluster.witness.hasSpec(owner, sequence)) return
    this.broken(`DJ2: ${key} is told, and its lineage is not in the GCS`)
  }

  broken(what: string, error?: unknown): void {
    this.#host.cluster.world.scheduler.fail(what, error)
  }

  /** I10: what fails, fails with an error of a type. @param never  names that no fault explains. */
  failed(key: string, error: unknown, never: readonly string[] = []): void {
    this.note(`${key} fails: ${String(error).slice(0, ERROR_CHARS_MAX)}`)
    if (!(error instanceof VirgaError)) this.broken(`I10: ${key} failed without a type`, error)
    else if (never.includes(error.name)) this.broken(`${error.name} of ${key}`, error)
  }
}
