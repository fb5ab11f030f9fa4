const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false });
const lenient = new TextDecoder("utf-8", { ignoreBOM: false });
const encoder = new TextEncoder();

/** Text of bytes; `lossy` when some were no UTF-8 and stand as U+FFFD now (docs/protocol.md 2.1). */
export function decodeUtf8(bytes: Uint8Array): { readonly text: string; readonly lossy: boolean } {
  try {
    return { text: strict.decode(bytes), lossy: false };
  } catch {
    return { text: lenient.decode(bytes), lossy: true };
  }
}

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Length of `text` in UTF-8, without encoding it. */
export function utf8SizeBytes(text: string): number {
  let sizeBytes = 0;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) sizeBytes += 1;
    else if (unit < 0x800) sizeBytes += 2;
    else if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(index + 1))) {
      sizeBytes += 4;
      index += 1;
    } else sizeBytes += 3;
  }
  return sizeBytes;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}
