// How functions are shown in messages before there is a core-worker to ask. The composition root
// brings what reads their homes; until then they are shown as they were registered.
import type { FunctionDescriptor } from '../runtime/core-worker/functions.ts'

let show = (descriptor: FunctionDescriptor): string => descriptor.name

export function showNamesBy(shownName: (descriptor: FunctionDescriptor) => string): void {
  show = shownName
}

/** Reads the function's home: only where something is wrong. */
export const nameOf = (descriptor: FunctionDescriptor): string => show(descriptor)
