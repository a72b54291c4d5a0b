// Every storage keeps the contract of the port: here, the one in memory.
import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { growthContract, storageContract } from './storage-contract.ts'

storageContract('MemoryStorage', () => new MemoryStorage())
growthContract('MemoryStorage', () => new MemoryStorage())
