// DER, as much of it as certificates need: tag, length, content. Writing only; Node reads them.
// Source: ITU-T X.690, section 8 (BER) and 10 (what DER narrows).

const SEQUENCE = 0x30
const SET = 0x31
const CONTEXT = 0x80
const CONSTRUCTED = 0x20

/** @param content  already in DER. */
function tagged(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content)
  return Buffer.concat([Buffer.from([tag]), lengthOf(body.length), body])
}

function lengthOf(sizeBytes: number): Buffer {
  if (sizeBytes < 0x80) return Buffer.from([sizeBytes])
  const digits: number[] = []
  for (let left = sizeBytes; left > 0; left = Math.floor(left / 256)) digits.unshift(left % 256)
  return Buffer.from([0x80 | digits.length, ...digits])
}

export const sequence = (...content: readonly Uint8Array[]): Buffer => tagged(SEQUENCE, ...content)
export const setOf = (...content: readonly Uint8Array[]): Buffer => tagged(SET, ...content)
export const boolean = (value: boolean): Buffer => tagged(0x01, Buffer.from([value ? 0xff : 0]))
export const octetString = (bytes: Uint8Array): Buffer => tagged(0x04, bytes)
export const utf8String = (text: string): Buffer => tagged(0x0c, Buffer.from(text))

/** @param bytes  big-endian and not negative; at least one. */
export function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0)
  const digits = first < 0 ? Buffer.from([0]) : bytes.subarray(first)
  // A first bit of 1 would make it negative.
  return tagged(0x02, (digits[0] ?? 0) >= 0x80 ? Buffer.from([0]) : Buffer.alloc(0), digits)
}

/** @param unusedBits  of the last byte, 0 to 7. */
export const bitString = (bytes: Uint8Array, unusedBits = 0): Buffer =>
  tagged(0x03, Buffer.from([unusedBits]), bytes)

/** `2.5.29.17` */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number)
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]))
}

function base128(value: number): number[] {
  const digits = [value & 0x7f]
  for (let left = value >>> 7; left > 0; left >>>= 7) digits.unshift((left & 0x7f) | 0x80)
  return digits
}

/** @param digits  `YYMMDDhhmmssZ` */
export const utcTime = (digits: string): Buffer => tagged(0x17, Buffer.from(digits))
/** @param digits  `YYYYMMDDhhmmssZ` */
export const generalizedTime = (digits: string): Buffer => tagged(0x18, Buffer.from(digits))

/** `[n]` that keeps the tag inside, or replaces that of a primitive. */
export const explicit = (n: number, content: Uint8Array): Buffer =>
  tagged(CONTEXT | CONSTRUCTED | n, content)
export const implicit = (n: number, bytes: Uint8Array): Buffer => tagged(CONTEXT | n, bytes)
