// The terms of a node's membership. A node writes its row every HEARTBEAT_MS; whoever sees the row
// unchanged for LEASE_MS, on its own monotonic clock, may declare the node dead; the node itself
// stops granting leases LEASE_MARGIN_MS before anybody can.
// Relations, asserted in tests: three heartbeats may fail within a lease; the margin covers clocks
// that run 5 % apart.

export const HEARTBEAT_MS = 4_000
export const LEASE_MS = 16_000
export const LEASE_MARGIN_MS = 1_000
/** Reads further apart than this do not show that a row stood still: the GCS may have been away. */
export const OBSERVATION_GAP_MS = 6_000
/** How often an observer reads the row. */
export const OBSERVE_EVERY_MS = 2_000
export const PING_MS = 1_000
/** No answer for this long: gone, as far as this watcher sees. */
export const GONE_MS = 3_000
/** What another watcher said counts this long. It repeats itself every PING_MS. */
export const SUSPICION_MS = 4_000
export const WATCHERS = 3
export const AGREEING = 2
