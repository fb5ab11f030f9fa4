import { asciiJson } from "./ack.ts";
import { crc32OfLatin1 } from "./crc32.ts";
import { decodeLine, type LineItem } from "./serial-line.ts";

/** What stands before a line that is being typed, and alone where nobody types. */
const PROMPT = ">";
/** And before the further lines of one that has open brackets. */
const MORE_PROMPT = ":";
/** A prompt takes itself and what is half typed away before anything is printed, but not while a call is coming in. */
const TAKEN_AWAY = "\r\x1b[J";
/** XON and XOFF of a board's console: no part of any line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const FLOW_CONTROL = /[\x11\x13]/g;
/** What a prompt moves its cursor with and erases by; anything else is text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: as above
const CONTROL = /\r|\x08|\x1b\[[ACDJ]/g;
/** Forgets what stands at the prompt half typed or cut short, then has the line evaluated without echo (docs/protocol.md 12.11). */
const CALL_START = "\x1b[2H\x10global.boardlogDown&&boardlogDown('";
const CALL_ECHO = /^>?(?:global\.boardlogDown&&)?boardlogDown\('.*',\d+\)$/;

/**
 * Reads one line, without its LF, of a wire whose far end is a JavaScript prompt (docs/protocol.md 7.9).
 * @param line its bytes as Latin-1, one code unit a byte.
 */
export function decodeConsoleLine(line: string): readonly LineItem[] {
  const isAfterPrompt = line.startsWith(PROMPT) && !line.includes(TAKEN_AWAY);
  const items = decodeLine(shownLine(isAfterPrompt ? line.slice(PROMPT.length) : line));
  return items.filter((item) => item.type !== "text" || item.text !== PROMPT);
}

/** What a terminal would show of a line. */
export function shownLine(line: string): string {
  const bytes = line.replace(FLOW_CONTROL, "");
  if (bytes.search(CONTROL) < 0) return bytes;
  const cells: string[] = [];
  let column = 0;
  let start = 0;
  const write = (end: number): void => {
    for (; start < end; start++) cells[column++] = bytes.charAt(start);
  };
  for (const { 0: control, index } of bytes.matchAll(CONTROL)) {
    write(index);
    start += control.length;
    if (control === "\r") column = 0;
    else if (control === "\x1b[C") column = Math.min(column + 1, cells.length);
    else if (control === "\x1b[J") cells.length = column;
    // Up is out of this line: those above were read already.
    else if (control !== "\x1b[A") column = Math.max(column - 1, 0);
  }
  write(bytes.length);
  return cells.join("");
}

/** Whether what stands since the last LF is a line that somebody is typing at the prompt. */
export function isHalfTyped(line: string): boolean {
  const shown = shownLine(line).trimEnd(); // What was typed and taken back left blanks.
  return shown.startsWith(MORE_PROMPT) || (shown.startsWith(PROMPT) && shown.length > PROMPT.length);
}

/** A prompt's echo of what `encodeCall` gives, where the byte that forbids it was lost. */
export function isCallEcho(text: string): boolean {
  return CALL_ECHO.test(text);
}

/** What goes down to a board at its prompt: a line of code, with its LF, that hands it a JSON text (docs/protocol.md 12.11). */
export function encodeCall(json: string): string {
  const text = asciiJson(json);
  return `${CALL_START}${text.replace(/[\\']/g, "\\$&")}',${crc32OfLatin1(text)})\n`;
}
