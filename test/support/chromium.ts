import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { requires } from "./requirements.ts";

/** The system's browser; tests that need it are skipped, and say so, where it is missing. */
export const CHROMIUM = requires("chromium");

/** What a test machine without the wide network, and a user root, needs. */
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM.path ?? "", args: ARGS });
}

/** A page of its own context; what the browser complains of is gathered. */
export async function openPage(
  browser: Browser,
  options: BrowserContextOptions = {},
): Promise<{ readonly page: Page; readonly complaints: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(`${error.name}: ${error.message}`));
  page.on("console", (message) => {
    // A service that is away is part of the tests; the browser reports each request that fails.
    if (message.type() === "error" && !/Failed to load resource/.test(message.text()))
      complaints.push(message.text());
  });
  return { page, complaints };
}
