// Randomness and SHA-256 from the machine.
import { createHash, randomBytes } from 'node:crypto'
import type { Hash, Random } from './random.ts'

export const systemRandom: Random = {
  next: () => Math.random(),
  bytes: (length) => randomBytes(length),
}

export const systemHash: Hash = {
  sha256: (bytes) => createHash('sha256').update(bytes).digest(),
}
