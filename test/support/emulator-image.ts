// An emulator of AWS in a container, from any image that answers as LocalStack's does: the one named
// by VIRGA_TEST_LOCALSTACK_IMAGE (`npm run emulator -- --image` makes one), on the Docker engine that
// DOCKER_HOST names, or the machine's own.
import { execFileSync } from 'node:child_process'
import { isAlive } from '../../runtime/common/session-file.ts'
import { answering } from '../../scripts/emulator/start.ts'
import type { TestCloud } from './emulator.ts'

/** Its value is the process that started the container. */
const LABEL = 'virga.emulator'

/** @returns the emulator, answering, or why it cannot be had. */
export async function startImage(): Promise<TestCloud | { missing: string }> {
  const image = process.env['VIRGA_TEST_LOCALSTACK_IMAGE']
  if (image === undefined) {
    return { missing: 'VIRGA_TEST_LOCALSTACK_IMAGE names no image (npm run emulator -- --image)' }
  }
  removeLeft()
  // Its own clean-up is an image of a registry's: here a label tells what is left.
  process.env['TESTCONTAINERS_RYUK_DISABLED'] = 'true'
  // Else, itself in a container, it takes the network's gateway for the host.
  process.env['TESTCONTAINERS_HOST_OVERRIDE'] ??= '127.0.0.1'
  const { LocalstackContainer } = await import('@testcontainers/localstack')
  const labels = { [LABEL]: String(process.pid) }
  const container = await new LocalstackContainer(image).withLabels(labels).start()
  const endpoint = container.getConnectionUri()
  await answering(endpoint)
  const stop = async (): Promise<void> => {
    await container.stop()
  }
  return { engine: 'image', endpoint, stop }
}

/** What test processes left that were killed. */
function removeLeft(): void {
  const format = `{{.ID}} {{.Label "${LABEL}"}}`
  for (const line of docker('ps', '--all', '--filter', `label=${LABEL}`, '--format', format)) {
    const [id = '', pid] = line.split(' ')
    if (!isAlive({ pid: Number(pid), startTime: '' })) docker('rm', '--force', id)
  }
}

function docker(...args: readonly string[]): string[] {
  return execFileSync('docker', args, { encoding: 'utf8' }).split('\n').filter(Boolean)
}
