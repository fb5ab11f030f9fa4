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

const NOT_ASCII = /[\u0080-\u00ff]/;

/** The same for bytes that stand as Latin-1, one code unit a byte. */
export function decodeUtf8OfLatin1(latin1: string): { readonly text: string; readonly lossy: boolean } {
  // Most lines of most boards are ASCII, which is the same text in both.
  if (!NOT_ASCII.test(latin1)) return { text: latin1, lossy: false };
  const bytes = new Uint8Array(latin1.length);
  for (let index = 0; index < latin1.length; index++) bytes[index] = latin1.charCodeAt(index);
  return decodeUtf8(bytes);
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
