/** Little-endian 0xFD2FB528 (RFC 8878, 3.1.1). */
export const ZSTD_MAGIC = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);
/** RFC 8878, 3.1.1.2.4. */
const BLOCK_BYTES_MAX = 128 * 1024;
const BLOCK_HEAD_BYTES = 3;
const BlockType = { Raw: 0, Repeated: 1 } as const;

/**
 * What a zstd frame inflates to at most: what its head says (RFC 8878, 3.1.1.1.4), else what its blocks can hold. Undefined where
 * it is cut short. Says why a frame does not fit, never that one does.
 */
export function zstdSizeMax(frame: Uint8Array): number | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const descriptor = frame[ZSTD_MAGIC.length] ?? 0;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
  let at = ZSTD_MAGIC.length + 1 + (isSingleSegment ? 0 : 1) + dictionaryBytes;
  if (at + sizeBytes > frame.length) return undefined;
  if (sizeBytes === 1) return frame[at];
  // A size of two bytes is what goes beyond one byte.
  if (sizeBytes === 2) return view.getUint16(at, true) + 256;
  if (sizeBytes === 4) return view.getUint32(at, true);
  if (sizeBytes === 8) return Number(view.getBigUint64(at, true));
  let inflatedMax = 0;
  while (at + BLOCK_HEAD_BYTES <= frame.length) {
    const head = view.getUint16(at, true) | ((frame[at + 2] ?? 0) << 16);
    const type = (head >> 1) & 3;
    const size = head >> 3;
    inflatedMax += type === BlockType.Raw || type === BlockType.Repeated ? size : BLOCK_BYTES_MAX;
    at += BLOCK_HEAD_BYTES + (type === BlockType.Repeated ? 1 : size);
    if ((head & 1) === 1) return at <= frame.length ? inflatedMax : undefined;
  }
  return undefined;
}
