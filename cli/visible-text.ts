// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for.
const DRIVES_TERMINAL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/**
 * Log text as it may be written to a terminal: C0 and C1 controls and bidirectional marks are shown, never obeyed.
 * ESC becomes the picture `␛`, what has no picture `<U+202E>`.
 */
export function visibleText(text: string): string {
  return text.replace(DRIVES_TERMINAL, (unit) => {
    const code = unit.charCodeAt(0);
    if (code === 0x09) return "    ";
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    if (code === 0x7f) return "\u2421";
    return `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
  });
}

/**
 * JSON text that says the same on one line and cannot drive a terminal either. A control character inside a string is escaped
 * already, so that a raw one of C0 is white space between tokens; the rest stands in strings only.
 */
export function visibleJson(json: string): string {
  return json.replace(DRIVES_TERMINAL, (unit) => {
    const code = unit.charCodeAt(0);
    return code < 0x20 ? " " : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
