// Effects as lines that read like a play: what golden traces are made of.
import type { WorkerId } from '../../../runtime/common/ids.ts'
import { toResources, type ResourceSet } from '../../../runtime/common/resources.ts'
import type { RayletEffect } from '../../../runtime/raylet/turn.ts'

export interface Names {
  readonly workers: Map<WorkerId, string>
}

type Notice = Extract<RayletEffect, { kind: 'notify' }>

export function showEffect(effect: RayletEffect, names: Names): string {
  switch (effect.kind) {
    case 'notify':
      return `→ ${nameOf(effect.to, names)}: ${showNotice(effect, names)}`
    case 'answer':
      return `answer #${String(effect.request)} ${showValue(effect.value)}`
    case 'refuse':
      return `refuse #${String(effect.request)} ${effect.error.name}: ${effect.error.message}`
    case 'spawn':
      return `spawn ${nameOf(effect.start.workerId, names)} for ${effect.start.jobId}, cpus ${String(effect.start.cpus)}`
    case 'signal':
      return `${effect.signal} ${nameOf(effect.worker, names)}`
    case 'claimName':
      return `claim name '${effect.name}' for ${effect.holder.actorId}`
    case 'releaseName':
      return `release name '${effect.name}' of ${effect.actorId}`
    case 'findName':
      return `find name '${effect.name}' for #${String(effect.request)}`
    case 'jobEnded':
      return `job ${effect.job.jobId} ended`
    case 'watchJob':
      return `${effect.jobId} is watched`
    case 'jobForgotten':
      return `${effect.jobId} is forgotten`
    case 'tellNode':
      return `⇒ ${effect.nodeId}: ${effect.type} ${JSON.stringify(shortly(effect.message))}`
    case 'askLeases': {
      const { classId, count, hops } = effect.message
      return `⇒ ${effect.nodeId}: asked for ${count} of class ${classId}, hop ${hops}`
    }
    case 'hasRoomAgain':
      return 'others hear that there is room again'
    case 'guestLeaseLapsed':
      return `⇒ home of ${effect.client}: a lease of class ${effect.classId} lapses`
    case 'askWaits':
    case 'askTokens':
      return `ask ${effect.nodeId}: ${effect.type}`
    case 'askGroup':
      return `⇒ ${effect.nodeId}: ${effect.type} ${JSON.stringify(shortly(effect.message))}`
    case 'registerGroup':
    case 'claimGroup':
      return `${effect.kind} ${effect.row.groupId}`
    case 'writeGroup':
    case 'readGroup':
    case 'removeGroupRow':
      return `${effect.kind} ${effect.groupId}`
    case 'leave':
      return 'leave'
    case 'registerActor':
      return `register ${effect.made.spec.actorId}`
    case 'findActor':
      return `find actor '${effect.name}' for #${String(effect.request)}`
    case 'writeActor':
      return `write ${effect.actorId} ${effect.write.kind} #${String(effect.incarnation)}`
    case 'offerActor': {
      const { spec, incarnation, hops } = effect.offer
      return `⇒ ${effect.nodeId}: offered ${spec.actorId} #${String(incarnation)}, hop ${hops}`
    }
    case 'askToAdopt':
      return `⇒ ${effect.nodeId}: to adopt ${effect.left.actorId}${effect.left.unbegunAt === undefined ? '' : ', unbegun'}`
    case 'locateActor':
      return `look for ${effect.actorId}`
    case 'callActor':
      return `⇒ host of ${effect.call.actorId}: ${effect.call.type}`
    case 'tellActorLink':
      return `⇒ link ${String(effect.link)}: ${effect.type}`
  }
}

/** Without what the class is and who owns it. */
function shortly(message: object): object {
  const { spec: _spec, owner: _owner, ...rest } = message as Record<string, unknown>
  return rest
}

function showNotice(effect: Notice, names: Names): string {
  switch (effect.type) {
    case 'leaseGranted': {
      const { classId, leaseId, workerId, gpuIds } = effect.message
      return `leaseGranted class ${String(classId)}, lease ${String(leaseId)} at ${nameOf(workerId, names)}${gpus(gpuIds)}`
    }
    case 'checkWait':
      return `check wait ${String(effect.message.waitId)}`
    case 'classRefused': {
      const { classId, error } = effect.message
      return `classRefused class ${String(classId)}, ${error.code}: ${error.message}`
    }
    case 'reclaimLease':
      return `reclaimLease ${String(effect.message.leaseId)}`
    case 'leaseBroken': {
      const { leaseId, exit, error } = effect.message
      const fails = error === undefined ? '' : `, ${error.code}`
      return `leaseBroken ${String(leaseId)}, ${exit.cause} ${exit.signal ?? String(exit.code)}${fails}`
    }
    case 'actorChanged': {
      const { actorId, phase, incarnation, error } = effect.message
      const why = error === undefined ? '' : `, ${error.code}: ${error.message}`
      return `actorChanged ${actorId} ${phase} #${String(incarnation)}${why}`
    }
    case 'deadlock':
      return `deadlock of wait ${String(effect.message.waitId)}: ${effect.message.chain.join(' → ')}`
    case 'startActor': {
      const { spec, incarnation, gpuIds, resources } = effect.message
      return `startActor ${spec.actorId} #${String(incarnation)} ${amounts(resources)}${gpus(gpuIds)}`
    }
    case 'exit':
      return `exit ${effect.message.reason}`
    case 'output':
      return `output of ${String(effect.message.lines.length)} lines`
    default:
      return effect.type
  }
}

const nameOf = (id: WorkerId, names: Names): string => names.workers.get(id) ?? id
const amounts = (set: ResourceSet): string => JSON.stringify(toResources(set))
const gpus = (ids: readonly number[]): string => (ids.length === 0 ? '' : ` GPUs ${ids.join(',')}`)

function showValue(value: unknown): string {
  if (value === undefined) return 'done'
  const { actorId, phase, incarnation } = value as {
    actorId: string
    phase?: string
    incarnation?: number
  }
  return phase === undefined ? actorId : `${actorId} ${phase} #${String(incarnation)}`
}
