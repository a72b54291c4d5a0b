// How a core-worker's store client speaks with the store of its node: through the raylet.
import type { RayletLink } from './raylet-link.ts'
import type { StoreLink } from './store-client.ts'

export function storeLink(raylet: RayletLink): StoreLink {
  return {
    create: (objectId, sizeBytes, owner) => {
      const object = { objectId, sizeBytes, ...(owner === undefined ? {} : { owner }) }
      return raylet.request('storeCreate', object)
    },
    seal: (objectId) => raylet.request('storeSeal', { objectId }),
    drop: (objectIds) => raylet.request('storeDrop', { objectIds }),
    pin: ({ objectId, nodeId }) =>
      raylet.request('storePin', { objectId, ...(nodeId === undefined ? {} : { nodeId }) }),
    abort: (objectId) => {
      raylet.notify('storeAbort', { objectId })
    },
    damaged: (objectId) => {
      raylet.notify('storeDamaged', { objectId })
    },
    unpin: (objectId, count) => {
      raylet.notify('storeUnpin', { objectId, count })
    },
    unwant: (objectId) => {
      raylet.notify('storeUnwant', { objectId })
    },
  }
}
