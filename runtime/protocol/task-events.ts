// What an owner tells its raylet of its tasks, for the commands that show it: those that ended, in
// runs, and how far each function has come.
import type { TaskId } from '../common/ids.ts'

export interface TaskEvent {
  /** The task's id is derived from these when somebody asks. */
  readonly parent: TaskId
  readonly index: number
  readonly name: string
  readonly kind: 'task' | 'actor'
  readonly state: 'FINISHED' | 'FAILED'
  readonly startMs: number
  readonly endMs: number
  readonly attempt: number
  readonly pid: number
}

/** Tasks that ended one after the other and differ only in what is a column here, a number each. */
export interface TaskEventRun extends Pick<
  TaskEvent,
  'parent' | 'name' | 'kind' | 'state' | 'attempt'
> {
  readonly indices: Float64Array
  readonly startsMs: Float64Array
  readonly endsMs: Float64Array
}

/** Stands for all functions whose names are beyond FUNCTION_NAMES_MAX. */
export const OTHER_FUNCTIONS = '(others)'

/** How far one owner's tasks of one function have come: absolute counts. */
export interface FunctionProgress {
  readonly name: string
  readonly kind: 'task' | 'actor'
  /** Submitted, and neither running nor ended. */
  readonly pending: number
  readonly running: number
  readonly done: number
  readonly failed: number
}
