import { fileURLToPath } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { expect } from "vitest";
import { launchChromium, openPage } from "./chromium.ts";
import { type RunningService, runService } from "./running-service.ts";

const CONSOLE_FOLDER = fileURLToPath(new URL("../../dist/console", import.meta.url));

/** A browser, and for each test a service of its own that serves the console page. */
export class ConsoleBench {
  readonly #cleanups: (() => Promise<unknown>)[] = [];
  #browser: Browser | undefined;
  #running: RunningService | undefined;

  /** The service of this test. */
  get running(): RunningService {
    if (this.#running === undefined) throw new Error("no service was started");
    return this.#running;
  }

  readonly launch = async (): Promise<void> => {
    this.#browser = await launchChromium();
  };

  readonly endTest = async (): Promise<void> => {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  };

  readonly close = async (): Promise<void> => {
    await this.#browser?.close();
  };

  readonly start = async (options: { readonly port?: number } = {}): Promise<void> => {
    const running = await runService({ consoleFolder: CONSOLE_FOLDER, ...options });
    this.#running = running;
    this.#cleanups.push(() => running.stop());
  };

  /** A page of its own context; what the browser complains of is gathered. */
  readonly open = async (
    path = "/",
    options: BrowserContextOptions = {},
  ): Promise<{ page: Page; complaints: readonly string[] }> => {
    if (this.#browser === undefined) throw new Error("no browser was launched");
    const { page, complaints } = await openPage(this.#browser, options);
    this.#cleanups.push(() => page.context().close());
    await page.goto(this.running.url + path);
    return { page, complaints };
  };

  readonly signIn = async (page: Page): Promise<void> => {
    await page.getByLabel("API key").fill(this.running.key);
    await page.getByRole("button", { name: "Show the log" }).click();
    await page.getByRole("status").getByText("live", { exact: true }).waitFor();
  };

  /** Logs each text, with `more` in its args. */
  readonly log = async (texts: readonly unknown[], more: object = {}): Promise<void> => {
    for (let at = 0; at < texts.length; at += 1000) {
      const cmds = texts
        .slice(at, at + 1000)
        .map((msg, id) => ({ cmd: "/v1/Log.Log", id, args: { src: "board", msg, ...more } }));
      const answer = await this.running.ask({ v: 1, cmds });
      expect(answer.resp).toHaveLength(cmds.length);
    }
  };
}

/** `line 1`, `line 2` and so on. */
export function lines(first: number, last: number): string[] {
  return Array.from({ length: last - first + 1 }, (_, index) => `line ${first + index}`);
}

/** The texts of the lines that the page has drawn. */
export function shown(page: Page): Promise<string[]> {
  return page.locator(".line .text").allTextContents();
}
