import { setTimeout as sleep } from "node:timers/promises";
import type { ByteLink } from "../gateway/link.ts";

/** Ctrl-C leaves whatever was half typed; 0x10 at the start of a line has it evaluated without echo. */
const INTERRUPT = "\x03";
const QUIET = "\x10";
const ANSWER_TIMEOUT_MS = 8_000;
/** How often, and after how long, what may have been lost is asked again. */
const ASKED_AGAIN_MAX = 4;
const AGAIN_MS = 1_000;
const HEARD_CHARS_MAX = 65_536;

/** The board did not answer, or not as an Espruino does. */
export class NoAnswer extends Error {
  constructor(doing: string, heard: string) {
    const tail = readable(heard).slice(-200);
    super(
      `no answer from the board's prompt while ${doing}${tail === "" ? "; nothing was heard at all" : `; last heard: ${tail}`}`,
    );
    this.name = "NoAnswer";
  }
}

/** An Espruino's prompt on a serial port: what is asked is a line of JavaScript, what comes back is found by its mark. */
export class EspruinoPrompt {
  readonly #link: ByteLink;
  #heard = "";
  #asked = 0;
  #wake: () => void = () => {};
  #isUp: boolean | undefined;
  /** Told every chunk, whatever it is. */
  onText: (text: string) => void = () => {};

  constructor(link: ByteLink) {
    this.#link = link;
  }

  /** The port does not open. */
  fail(): void {
    this.#isUp ??= false;
    this.#wake();
  }

  /** Opens the port; false when it is not open after `timeoutMs`, or `fail` was called. */
  async open(timeoutMs: number): Promise<boolean> {
    this.#link.start({
      onUp: () => {
        this.#isUp = true;
        this.#wake();
      },
      onBytes: (bytes) => {
        const text = Buffer.from(bytes).toString("latin1");
        this.#heard = (this.#heard + text).slice(-HEARD_CHARS_MAX);
        this.onText(text);
        this.#wake();
      },
      onDown: () => {},
    });
    return (await this.#wait(() => this.#isUp, timeoutMs)) ?? false;
  }

  close(): Promise<void> {
    return this.#link.stop();
  }

  interrupt(): Promise<void> {
    return this.#write(`${INTERRUPT}\n`);
  }

  /** Evaluates without waiting for anything. */
  tell(code: string): Promise<void> {
    return this.#write(`${QUIET}${code}\n`);
  }

  /** Evaluates an expression and gives its value, as JSON on the wire. @throws NoAnswer */
  async ask(expression: string, doing: string, timeoutMs = ANSWER_TIMEOUT_MS): Promise<unknown> {
    const mark = `BL${++this.#asked}`;
    // The mark is put together on the board, so that an echo of this line is not taken for the answer.
    await this.tell(`print("B"+"${mark.slice(1)}:"+JSON.stringify(${expression})+":${mark}")`);
    const answer = new RegExp(`${mark}:(.*?):${mark}`, "s");
    const json = await this.#wait(() => answer.exec(this.#heard)?.[1], timeoutMs);
    if (json === undefined) throw new NoAnswer(doing, this.#heard);
    this.#heard = "";
    try {
      return json === "undefined" ? undefined : JSON.parse(json);
    } catch {
      throw new NoAnswer(doing, json);
    }
  }

  /** The same for an expression that does nothing, where the prompt may lose a line. @throws NoAnswer */
  async askAgain(expression: string, doing: string): Promise<unknown> {
    for (let turn = 1; turn < ASKED_AGAIN_MAX; turn++) {
      try {
        return await this.ask(expression, doing, AGAIN_MS * turn);
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
      }
    }
    return this.ask(expression, doing);
  }

  async #write(text: string): Promise<void> {
    if (!(await this.#link.write(Buffer.from(text, "latin1")))) throw new NoAnswer("writing to the port", "");
  }

  async #wait<T>(look: () => T | undefined, timeoutMs: number): Promise<T | undefined> {
    const ended = sleep(timeoutMs, "late" as const, { ref: false });
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      const woken = new Promise<undefined>((resolve) => {
        this.#wake = () => resolve(undefined);
      });
      if ((await Promise.race([woken, ended])) === "late") return look();
    }
  }
}

/** What a prompt sends, without its escapes. */
export function readable(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's escapes are what is taken out
      .replace(/\x1b\[[0-9;]*[A-Za-z]/g, "")
      // biome-ignore lint/suspicious/noControlCharactersInRegex: so are other control characters
      .replace(/[\x00-\x09\x0b-\x1f\x7f]/g, "")
      .trim()
  );
}
