/** What ends a line that has brackets open; text in quotes does not count. */
function openBrackets(code: string): number {
  const bare = code.replace(/'(?:\\.|[^'\\])*'/g, "");
  if (bare.includes("'")) return 0; // Unfinished text is evaluated, so that it fails.
  return (bare.match(/[([{]/g)?.length ?? 0) - (bare.match(/[)\]}]/g)?.length ?? 0);
}

/** Espruino's prompt, as far as its console port meets it (Espruino's src/jsinteractive.c; held against Espruino 2v29). */
export class PromptModel {
  readonly #evaluate: (code: string) => unknown;
  readonly #out: (text: string) => void;
  readonly #later: (action: () => void) => void;
  #line = "";
  #escape = "";
  #isSilent = false;
  #isShown = false;

  /** @param later runs once the interpreter is idle: then the prompt comes back. */
  constructor(
    evaluate: (code: string) => unknown,
    out: (text: string) => void,
    later: (action: () => void) => void,
  ) {
    this.#evaluate = evaluate;
    this.#out = out;
    this.#later = later;
    this.#comeBack();
  }

  print(text: string): void {
    this.#takeAway();
    this.#out(`${text}\r\n`);
    this.#comeBack();
  }

  hear(text: string): void {
    for (const char of text) this.#key(char);
  }

  #key(char: string): void {
    if (char === "\x1b") this.#escape = char;
    else if (this.#escape !== "") this.#inEscape(char);
    else if (char === "\x10") this.#isSilent ||= this.#line === "";
    else if (char === "\n") this.#enter();
    else if (char === "\x7f") this.#erase();
    else if (char >= " ") {
      this.#line += char;
      if (!this.#isSilent) this.#out(char);
    }
  }

  #inEscape(char: string): void {
    this.#escape += char;
    if (!/[A-Za-z~]$/.test(this.#escape)) return;
    if (this.#escape === "\x1b[2H" && this.#line !== "") {
      this.#takeAway();
      this.#line = "";
      this.#comeBack();
    }
    this.#escape = "";
  }

  #erase(): void {
    if (this.#line === "") return;
    this.#line = this.#line.slice(0, -1);
    if (!this.#isSilent) this.#out("\b \b");
  }

  #enter(): void {
    if (openBrackets(this.#line) > 0) {
      this.#line += "\n";
      if (!this.#isSilent) this.#out("\r\n:");
      return;
    }
    const code = this.#line;
    this.#line = "";
    if (!this.#isSilent) {
      this.#out("\r\n");
      this.#isShown = false;
    }
    try {
      const value = this.#evaluate(code);
      if (!this.#isSilent && code !== "") this.#out(`=${value}\r\n`);
    } catch (error) {
      this.#out(`Uncaught ${(error as Error).message}\r\n`);
      this.#isShown = false;
    }
    this.#isSilent = false;
    this.#comeBack();
  }

  #takeAway(): void {
    if (this.#isShown && !this.#isSilent) this.#out(`${"\x1b[D".repeat(this.#line.length)}\r\x1b[J`);
    this.#isShown = false;
  }

  #comeBack(): void {
    this.#later(() => {
      if (this.#isShown) return;
      this.#isShown = true;
      if (!this.#isSilent) this.#out(`>${this.#line.replaceAll("\n", "\r\n:")}`);
    });
  }
}
