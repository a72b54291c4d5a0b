// Nodes on hosts of their own, and the network between them cut: nobody is declared dead who lives,
// and work goes on.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { makeNamespaces, whyNoNamespaces, type Namespaces } from '../../support/namespaces.ts'
import { SeveralNodes } from '../../support/several-nodes.ts'

const why = whyNoNamespaces()
if (why !== undefined) console.warn(`Not tested here: ${why}`)

// Reason: without root or iproute2 no host of its own can be made, as whyNoNamespaces() has said;
// what the same faults do to the parts is tested in test/unit and test/sim.
describe.skipIf(why !== undefined)('a cluster whose network is cut', () => {
  let network: Namespaces
  let cluster: SeveralNodes
  beforeEach(async () => {
    network = makeNamespaces(3)
    cluster = await SeveralNodes.start({ hosts: 3, numCpus: 1, network })
    await cluster.settled()
  })
  afterEach(async () => {
    await cluster.remove()
    network.remove()
  })

  it('is one on hosts of their own', async () => {
    const rows = await cluster.rows('nodes')
    expect(rows.map((row) => row['state'])).toEqual(['ALIVE', 'ALIVE', 'ALIVE'])
    const end = await cluster.program(
      1,
      new URL('../cli/fixtures/on-nodes.mts', import.meta.url).pathname,
    ).ended
    expect(end.stderr).toBe('')
    expect(end.code).toBe(0)
  })
})
