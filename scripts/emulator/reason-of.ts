// Why a command failed, as it said itself.

/** @param error  of execFile. @returns what the command wrote to stderr, else the message. */
export function reasonOf(error: unknown): string {
  const { stderr = '', message } = error as Error & { stderr?: string }
  return stderr.trim() || message
}
