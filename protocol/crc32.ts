const TABLE = Int32Array.from({ length: 256 }, (_, index) => {
  let remainder = index;
  for (let bit = 0; bit < 8; bit++)
    remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  return remainder;
});

/** CRC-32 (IEEE 802.3, as in zlib) of bytes, as an unsigned integer (docs/protocol.md 7.2). */
export function crc32(bytes: Uint8Array): number {
  let remainder = -1;
  for (const byte of bytes) remainder = (remainder >>> 8) ^ (TABLE[(remainder ^ byte) & 0xff] ?? 0);
  return (remainder ^ -1) >>> 0;
}

/** The same of a string whose code units are bytes (Latin-1). */
export function crc32OfLatin1(text: string): number {
  let remainder = -1;
  for (let index = 0; index < text.length; index++) {
    remainder = (remainder >>> 8) ^ (TABLE[(remainder ^ text.charCodeAt(index)) & 0xff] ?? 0);
  }
  return (remainder ^ -1) >>> 0;
}

/** 8 lower-case hex digits. */
export function crc32Digits(crc: number): string {
  return crc.toString(16).padStart(8, "0");
}
