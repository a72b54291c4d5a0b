// Whether nodes can listen at an address before any of them is started.
import { once } from 'node:events'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { UsageError } from '../runtime/common/errors.ts'

/** @throws UsageError when `host` is no address of this machine, and no name of one. */
export async function refuseForeignHost(host: string): Promise<void> {
  const server = createServer().listen(0, host)
  try {
    await once(server, 'listening')
  } catch (error) {
    const { code = String(error) } = error as NodeJS.ErrnoException
    throw new UsageError(
      `--host ${host}: nodes cannot listen there (${code}). The addresses of this machine are ` +
        `${ownAddresses().join(', ')}`,
      { cause: error },
    )
  } finally {
    server.close()
  }
}

const ownAddresses = (): string[] =>
  Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .flatMap(({ family, address }) => (family === 'IPv4' ? [address] : []))
