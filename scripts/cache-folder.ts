// Where scripts keep what is costly to make. Source: XDG Base Directory Specification.
import { homedir } from 'node:os'
import { join } from 'node:path'

/** A folder in the user's cache folder, for that purpose; nothing is made yet. */
export function cacheFolder(purpose: string): string {
  const given = process.env['XDG_CACHE_HOME'] ?? ''
  return join(given === '' ? join(homedir(), '.cache') : given, purpose)
}
