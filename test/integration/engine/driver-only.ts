// A function that the driver has and workers do not: its module is another one there.
import { remote } from 'virga'

/** Set in vitest's processes only. */
const inTest = '__vitest_worker__' in globalThis

export const driverOnly = inTest ? remote(() => 1, { name: 'driverOnly' }) : undefined
