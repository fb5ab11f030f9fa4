import { bad, type Decoded, good } from "./decoded.ts";
import { utf8SizeBytes } from "./utf8.ts";

/** Longest source address in UTF-8 (docs/protocol.md 1.3). */
export const SRC_BYTES_MAX = 256;
/** Longest stream or module name in UTF-8 (docs/protocol.md 1.3). */
export const NAME_BYTES_MAX = 64;
/** Longest boot id (docs/protocol.md 1.5). */
export const BOOT_CHARS_MAX = 32;

// biome-ignore lint/suspicious/noControlCharactersInRegex: the control characters are what it looks for.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const PRINTABLE_ASCII = /^[\x20-\x7e]+$/;
const PROJECT = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** The project of who names none. */
export const PROJECT_DEFAULT = "default";

export function checkSrc(src: string, argument = "src"): Decoded<string> {
  return checkName(src, argument, SRC_BYTES_MAX);
}

/** A stream or module name. */
export function checkStream(stream: string, argument = "stream"): Decoded<string> {
  return checkName(stream, argument, NAME_BYTES_MAX);
}

export function isProject(project: string): boolean {
  return PROJECT.test(project);
}

export function isBoot(boot: string): boolean {
  return boot.length <= BOOT_CHARS_MAX && PRINTABLE_ASCII.test(boot);
}

function checkName(name: string, argument: string, bytesMax: number): Decoded<string> {
  if (name === "") return bad(`${argument}: must not be empty`);
  if (CONTROL.test(name)) return bad(`${argument}: must not hold control characters`);
  if (!name.isWellFormed()) return bad(`${argument}: must be well-formed Unicode`);
  if (utf8SizeBytes(name) > bytesMax) return bad(`${argument}: must be at most ${bytesMax} bytes of UTF-8`);
  return good(name);
}

/** Whether a frame's `src` may stand for the device that the link names (docs/protocol.md 8.2). */
export function isOwnSrc(src: string, device: string): boolean {
  if (src === device) return true;
  const path = /^\/\/[^/]+\/(.*)$/s.exec(src)?.[1];
  return path === device;
}
