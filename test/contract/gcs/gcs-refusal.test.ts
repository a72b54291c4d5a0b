// Who holds the GCS refuses an epoch that has ended, and the node that is refused knows by that
// that it is no member: over TCP and mutual TLS.
import { expect, it, onTestFinished } from 'vitest'
import { NodeDiedError } from '../../../runtime/common/errors.ts'
import { ValueCodec } from '../../../runtime/protocol/value-codec.ts'
import { openCluster } from '../../../runtime/raylet/cluster/cluster-tcp.ts'
import { certifiedNode } from '../../support/certified-nodes.ts'
import { ATTEMPTS } from '../../support/dynamo-storage.ts'
import { caught } from '../../support/waiting.ts'

const HOST = { nodeId: 'a0', epoch: 1 }
const OTHER = { nodeId: 'b0', epoch: 1 }

function open(
  node: typeof HOST,
  gcs: string,
): ReturnType<typeof openCluster> & { readonly lost: () => boolean } {
  let isLost = false
  const gcsLost = (): void => {
    isLost = true
  }
  const { identity, credentials } = certifiedNode(node)
  const deps = { ...ATTEMPTS, codec: new ValueCodec(), gcsLost }
  const all = { ...identity, ...credentials, authorityKey: '', host: '127.0.0.1' }
  return { ...openCluster(deps, { credentials: all, gcs }), lost: () => isLost }
}

it('F08: whose epoch has ended hears that it is dead, not that the GCS is away', async () => {
  const host = open(HOST, 'HERE')
  const listener = await host.cluster.transport.listen('127.0.0.1:0', (connection) => {
    connection.close()
  })
  onTestFinished(() => listener.close())
  host.cluster.fence.learn({ ...OTHER, state: 'DEAD' })
  const late = open(OTHER, listener.address)
  const key = { table: 'cluster', pk: 'N', sk: 'b0' } as const
  const error = await caught(late.storage.update(key, {}, { fields: {} }), NodeDiedError)
  expect(error.message).toContain('node b0 in epoch 1 must stop')
  expect(error.cause).toMatchObject({ code: 'ERR_PEER_REFUSED' })
  expect(late.lost()).toBe(false)
})
