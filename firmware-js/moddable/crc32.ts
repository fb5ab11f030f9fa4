/** CRC-32 as zlib has it (docs/protocol.md 7.2), half a byte at a time: a table of 64 bytes rather than 1,024. */
const table = new Uint32Array(16);
for (let index = 0; index < 16; index++) {
  let value = index;
  for (let bit = 0; bit < 4; bit++) {
    value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  }
  table[index] = value;
}

export function crc32(bytes: Uint8Array): number {
  let sum = -1;
  for (let index = 0; index < bytes.length; index++) {
    sum ^= bytes[index] as number;
    sum = (sum >>> 4) ^ (table[sum & 15] as number);
    sum = (sum >>> 4) ^ (table[sum & 15] as number);
  }
  return ~sum >>> 0;
}
