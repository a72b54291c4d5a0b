// Amounts as people read them: bytes, times, counts.
import { MEMORY, UNITS_PER_ONE } from '../runtime/common/resources.ts'

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** 1536 → `1.5 KiB`. */
export function bytesText(bytes: number): string {
  let amount = bytes
  let unit = 0
  while (Math.abs(amount) >= 1024 && unit < BYTE_UNITS.length - 1) {
    amount /= 1024
    unit += 1
  }
  const digits = unit === 0 || amount >= 100 ? 0 : 1
  return `${amount.toFixed(digits)} ${BYTE_UNITS[unit] ?? ''}`
}

/** 250 → `250 ms`, 3200 → `3.2 s`, 125000 → `2 m 5 s`. */
export function durationText(ms: number): string {
  if (!Number.isFinite(ms)) return '-'
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} m ${seconds % 60} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} m`
}

/** 12345 → `12,345`. */
export const countText = (count: number): string => count.toLocaleString('en-US')

/** An amount of a resource: memory in bytes, everything else as a number. */
export function resourceText(name: string, amount: number): string {
  if (name === MEMORY) return bytesText(amount)
  return String(Math.round(amount * UNITS_PER_ONE) / UNITS_PER_ONE)
}

/** `{ CPU: 1, memory: 1024 }` → `CPU: 1, memory: 1.0 KiB`. */
export function resourcesText(resources: unknown): string {
  if (typeof resources !== 'object' || resources === null) return ''
  return Object.entries(resources)
    .map(([name, amount]) => `${name}: ${resourceText(name, Number(amount))}`)
    .join(', ')
}

/** `1 task`, `2 tasks`. */
export const plural = (count: number, noun: string): string =>
  `${countText(count)} ${noun}${count === 1 ? '' : 's'}`
