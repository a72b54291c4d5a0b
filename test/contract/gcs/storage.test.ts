import { MemoryStorage } from '../../../runtime/gcs/storage-memory.ts'
import { storageContract } from './storage-contract.ts'

storageContract('MemoryStorage', () => new MemoryStorage())
