import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { CHROMIUM } from "../support/chromium.ts";
import { ConsoleBench, lines, shown } from "../support/console-bench.ts";

const AXE_FILE = fileURLToPath(new URL("../../node_modules/axe-core/axe.min.js", import.meta.url));
const FIRST_PAGE_BYTES_MAX = 60 * 1024;
/** Text that would do harm if a page took it for anything but text. */
const HOSTILE = [
  "<script>globalThis.harmed = 1</script><img src=x onerror='globalThis.harmed = 2'>",
  "\u001b[31mred\u001b[0m \u001b]0;title\u0007 \u001b[2J\u009b1m",
  "user\u202egnp.exe \u2066isolate\u2069 \u200fmark",
  '"><svg onload=globalThis.harmed=3>',
  "javascript:globalThis.harmed=4 {{constructor.constructor('globalThis.harmed=5')()}}",
];

const bench = new ConsoleBench();
const { start, open, signIn, log } = bench;

describe.skipIf(CHROMIUM.isMissing)(`the page in Chromium${CHROMIUM.note}`, () => {
  beforeAll(bench.launch);
  afterEach(bench.endTest);
  afterAll(bench.close);

  it("asks for the key, says when it is wrong, and keeps it out of the address, the disk and the history", async () => {
    await start();
    await log(["hello"]);
    const { page, complaints } = await open();
    const urls: string[] = [];
    page.on("request", (request) => urls.push(request.url()));
    await page.getByLabel("API key").fill("wrong");
    await page.getByRole("button", { name: "Show the log" }).click();
    await page.getByText("The service does not know this key.").waitFor();
    await signIn(page);
    await page.getByText("hello").waitFor();
    expect(urls.join("\n") + page.url()).not.toContain(bench.running.key);
    const kept = await page.evaluate("JSON.stringify([localStorage, document.cookie])");
    expect(kept).not.toContain(bench.running.key);
    await page.reload();
    await page.getByText("hello").waitFor();
    await page.getByText("More").click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("API key").waitFor();
    expect(await page.evaluate("JSON.stringify(sessionStorage)")).not.toContain(bench.running.key);
    expect(complaints).toEqual([]);
  });

  it("loads in less than 60 KB, compressed as it is sent", async () => {
    await start();
    let bytes = 0;
    for (const path of ["/", "/main.js", "/main.css"]) {
      const response = await fetch(bench.running.url + path, { headers: { "accept-encoding": "br" } });
      expect(response.headers.get("content-encoding"), path).toBe("br");
      bytes += Number(response.headers.get("content-length"));
    }
    expect(bytes).toBeGreaterThan(10_000);
    expect(bytes).toBeLessThan(FIRST_PAGE_BYTES_MAX);
  });

  it("runs under a policy that allows no inline script or style and no other site", async () => {
    await start();
    const response = await fetch(bench.running.url);
    const policy = response.headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|\*|http:/);
    expect(await response.text()).not.toMatch(/<script>|<style|style=|onload=/);
  });

  it("scrolls back through all of history and forward over the live boundary, every line once, in order", async () => {
    await start();
    await log(lines(1, 1700));
    const { page, complaints } = await open();
    await signIn(page);
    await page.locator(".line").getByText("line 1700", { exact: true }).waitFor();
    await page.getByRole("listbox", { name: "Log" }).hover();
    const seen = new Set<string>();
    for (let turn = 0; turn < 200 && !seen.has("line 1"); turn++) {
      await page.mouse.wheel(0, -2500);
      await page.waitForTimeout(60);
      for (const text of await shown(page)) seen.add(text);
    }
    expect(seen.has("line 1")).toBe(true);
    await log(lines(1701, 1720));
    await page.getByRole("button", { name: /^Resume \(20 new lines\)/ }).waitFor();
    const order: string[] = [];
    for (let turn = 0; turn < 300 && order.at(-1) !== "line 1720"; turn++) {
      for (const text of await shown(page)) if (!order.includes(text)) order.push(text);
      await page.mouse.wheel(0, 500);
      await page.waitForTimeout(30);
    }
    expect(order).toEqual(lines(1, 1720));
    await expect.poll(() => page.locator(".divider.live").count()).toBe(1);
    expect(complaints).toEqual([]);
  });

  it("pauses when scrolled up, counts what comes, and resumes at the newest", async () => {
    await start();
    await log(lines(1, 200));
    const { page } = await open();
    await signIn(page);
    await page.locator(".line").getByText("line 200", { exact: true }).waitFor();
    await page.getByRole("listbox", { name: "Log" }).hover();
    await page.mouse.wheel(0, -1000);
    await page.getByRole("button", { name: /^Resume/ }).waitFor();
    const before = await shown(page);
    await log(lines(201, 203));
    await page.getByRole("button", { name: "Resume (3 new lines)" }).waitFor();
    expect(await shown(page)).toEqual(before);
    await page.getByRole("button", { name: "Resume (3 new lines)" }).click();
    await page.locator(".line").getByText("line 203", { exact: true }).waitFor();
  });

  it("filters by source, level, module, text and regular expression, marks matches, and keeps all of it in the URL", async () => {
    await start();
    await log(["all is well", "Pressure (low)"], { level: "info" });
    await log(["pressure (low) again"], { src: "pump", level: "error", module: "valve" });
    const { page } = await open();
    await signIn(page);
    await page.getByLabel("Level", { exact: true }).selectOption("error");
    await expect.poll(() => shown(page)).toEqual(["pressure (low) again"]);
    expect(page.url()).toContain("level=error");
    await page.getByRole("button", { name: "Show all" }).click();
    await page.getByLabel("Text").fill("(LOW)");
    await expect.poll(() => shown(page)).toEqual(["Pressure (low)", "pressure (low) again"]);
    expect(await page.locator("mark").allTextContents()).toEqual(["(low)", "(low)"]);
    await page.getByLabel("Text").fill("^p.*n$");
    await page.getByRole("button", { name: "Regular expression" }).click();
    await expect.poll(() => shown(page)).toEqual(["pressure (low) again"]);
    const url = page.url();
    await page.getByRole("button", { name: "Show all" }).click();
    await page.getByRole("navigation", { name: "Sources" }).getByRole("button", { name: /pump/ }).click();
    await expect.poll(() => shown(page)).toEqual(["pressure (low) again"]);
    expect(page.url()).toContain("src=pump");
    await page.getByText("More").click();
    await page.getByLabel("Module").fill("nothing");
    await page.getByLabel("Module").press("Enter");
    await page.getByText("No line passes these filters").waitFor();
    await page.goto(url);
    await expect.poll(() => shown(page)).toEqual(["pressure (low) again"]);
  });

  it("draws boots as dividers with the reason, and losses in place and in plain words", async () => {
    await start();
    const frame = (boot: string, first: number, msgs: readonly string[]): Promise<unknown> =>
      bench.running.ask({
        v: 1,
        src: "board",
        boot,
        first,
        ack: true,
        cmds: msgs.map((msg, index) => ({ cmd: "/v1/Log.Log", id: first + index, args: { msg } })),
      });
    await frame("b1", 1, ["one"]);
    await frame("b1", 5, ["five"]);
    await log(["rst:0x1 (POWERON_RESET),boot:0x13"], { stream: "uart" });
    await frame("b2", 1, ["one again"]);
    const { page } = await open();
    await signIn(page);
    await expect
      .poll(() => page.locator(".row").allTextContents())
      .toEqual([
        "board started anew (boot b1)",
        expect.stringContaining("one"),
        expect.stringMatching(/loss.*lines 2 to 4 \(3\) are missing of boot b1, lost at the link: /),
        expect.stringContaining("five"),
        expect.stringContaining("POWERON_RESET"),
        "board started anew: POWERON_RESET (boot b2)",
        expect.stringContaining("one again"),
      ]);
    await page.getByText("3 lines lost").waitFor();
  });

  it("opens a line with all its fields and its object as a tree, copies it, and finds it again by its link", async () => {
    await start();
    await log(lines(1, 600));
    await log([{ temp: 21.5, deep: { list: [1, 2] } }], { level: "warn", module: "sensor" });
    await log(lines(601, 1300));
    const { page, complaints } = await open("/", { permissions: ["clipboard-read", "clipboard-write"] });
    await signIn(page);
    await page.getByLabel("Level", { exact: true }).selectOption("warn");
    await page.locator(".line.warn").click();
    const details = page.getByRole("region", { name: "Line in full" });
    await details.getByText("sensor").waitFor();
    await details.locator("summary").filter({ hasText: "deep" }).click();
    await details.getByText("{1}").waitFor();
    await details.getByRole("button", { name: "Copy as JSON" }).click();
    await details.getByText("JSON copied").waitFor();
    const copied = JSON.parse(await clipboardOf(page)) as { msg: unknown };
    expect(copied).toMatchObject({
      src: "board",
      level: "warn",
      msg: { temp: 21.5, deep: { list: [1, 2] } },
    });
    await details.getByRole("button", { name: "Copy link" }).click();
    await details.getByText("Link copied").waitFor();
    const link = new URL(await clipboardOf(page));
    expect(link.href).not.toContain(bench.running.key);
    const elsewhere = new URL(link);
    elsewhere.searchParams.set("line", "nowhere");
    await page.goto(elsewhere.href);
    await page.getByText("The link leads to a line that is not of this log.").waitFor();
    // The same under a range of time that has passed.
    const past = new URL(link);
    past.searchParams.set("until", String(Date.now() - 1));
    await page.goto(past.href);
    await page.locator(".line[aria-selected=true]").getByText("temp").waitFor();
    link.searchParams.delete("level");
    await page.goto(link.href);
    await details.getByText("sensor").waitFor();
    await page.locator(".line[aria-selected=true]").getByText("temp").waitFor();
    const around = await shown(page);
    const at = around.findIndex((text) => text.includes("temp"));
    expect(around[at - 1]).toBe("line 600");
    expect(around[at + 1]).toBe("line 601");
    expect(complaints).toEqual([]);
  });

  it("shows hostile text as text: nothing of it runs, colours are colours, and what turns text around is seen", async () => {
    await start();
    await log(HOSTILE);
    await log(["plain"], { src: "<b>board</b>\u202e", module: "<i>m</i>" });
    const { page, complaints } = await open();
    await signIn(page);
    await expect.poll(async () => (await shown(page)).length).toBe(HOSTILE.length + 1);
    const texts = await shown(page);
    expect(texts[0]).toBe(HOSTILE[0]);
    expect(texts[1]).toBe("red ␛]0;title␇ ␛[2J<U+009B>1m");
    expect(await page.locator(".line .ansi-red").textContent()).toBe("red");
    expect(texts[2]).toBe("user<U+202E>gnp.exe <U+2066>isolate<U+2069> <U+200F>mark");
    for (const index of HOSTILE.keys()) await page.locator(".line").nth(index).click();
    expect(await page.evaluate("globalThis.harmed")).toBeUndefined();
    expect(await page.locator("#page script, #page img").count()).toBe(0);
    expect(await page.title()).toBe("boardlog");
    expect(complaints).toEqual([]);
  });

  it("takes up a lost connection where it broke, without gap or repeat", async () => {
    await start();
    await log(lines(1, 5));
    const { page } = await open();
    await signIn(page);
    await page.context().setOffline(true);
    await page.route("**/v1/**", (route) => route.abort());
    await log(lines(6, 10));
    await page.getByText("no connection, trying again…").waitFor({ timeout: 40_000 });
    await page.unroute("**/v1/**");
    await page.context().setOffline(false);
    await page.getByRole("status").getByText("live", { exact: true }).waitFor();
    await log(lines(11, 12));
    await expect.poll(() => shown(page)).toEqual(lines(1, 12));
  }, 60_000);

  it("zooms into the time that is dragged over on the plot, and out again", async () => {
    await start();
    const now = Date.now();
    await log(["long ago"], { timestamp: now - 50 * 60_000 });
    await log(["just now"], { timestamp: now - 60_000 });
    const { page } = await open();
    await signIn(page);
    await expect.poll(async () => (await shown(page)).length).toBe(2);
    await page.getByRole("img", { name: /^Lines by level over time: 2 no level/ }).waitFor();
    const box = await page.locator(".u-over").boundingBox();
    if (box === null) throw new Error("the plot has no area");
    await page.mouse.move(box.x + 5, box.y + 20);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2, box.y + 30, { steps: 5 });
    await page.mouse.up();
    await expect.poll(() => shown(page)).toEqual(["long ago"]);
    expect(page.url()).toMatch(/since=\d+&until=\d+/);
    await page.getByRole("button", { name: "All times" }).click();
    await expect.poll(async () => (await shown(page)).length).toBe(2);
  });

  it("plots what passes the filter over the whole range, however many lines have to be looked at, and what comes after", async () => {
    await start();
    const now = Date.now();
    // Far more than one answer of the service looks at.
    await log(
      lines(1, 24_000).map((text, index) => (index % 100 === 0 ? `${text} needle` : text)),
      { level: "warn", timestamp: now - 50 * 60_000 },
    );
    const { page, complaints } = await open("/?text=needle");
    await signIn(page);
    const plot = (words: string) =>
      page.getByRole("img", { name: `Lines by level over time: ${words}`, exact: true });
    await plot("0 no level, 0 debug, 0 info, 240 warn, 0 error").waitFor();
    await log(["another needle", "hay"], { level: "error" });
    await plot("0 no level, 0 debug, 0 info, 240 warn, 1 error").waitFor();
    await page.locator(".u-over").hover({ position: { x: 5, y: 20 } });
    await page.getByText(/^\d\d:\d\d: nothing$/).waitFor();
    await page.goto(`${bench.running.url}/?regex=1&text=${encodeURIComponent("^line (?=1)")}`);
    await page.getByText("Bars count every line: this expression is looked for by the page alone.").waitFor();
    expect(complaints).toEqual([]);
  });

  it("zooms by a finger too", async () => {
    await start();
    const now = Date.now();
    await log(["long ago"], { timestamp: now - 50 * 60_000 });
    await log(["just now"], { timestamp: now - 60_000 });
    const { page } = await open("/", { viewport: { width: 360, height: 640 }, hasTouch: true });
    await signIn(page);
    await expect.poll(async () => (await shown(page)).length).toBe(2);
    await page.getByRole("img", { name: /^Lines by level over time: 2 no level/ }).waitFor();
    const box = await page.locator(".u-over").boundingBox();
    if (box === null) throw new Error("the plot has no area");
    const finger = await page.context().newCDPSession(page);
    const at = (part: number) => [{ x: box.x + box.width * part, y: box.y + 20 }];
    await finger.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: at(0.02) });
    for (const part of [0.1, 0.3, 0.5])
      await finger.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: at(part) });
    await finger.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
    await expect.poll(() => shown(page)).toEqual(["long ago"]);
    expect(page.url()).toMatch(/since=\d+&until=\d+/);
  });

  it("tells a board its level for a time, and says where it could not", async () => {
    await start();
    const leases: object[] = [];
    bench.running.service.levels.add({
      gatewayId: "pi",
      setLevel: async (_project, src, lease) => {
        leases.push({ src, ...lease });
        return src === "board" ? { isReached: leases.length > 1 } : undefined;
      },
    });
    await log(["one"]);
    await log(["two"], { src: "other" });
    const { page, complaints } = await open("/?src=board");
    await signIn(page);
    const form = page.getByRole("form", { name: "Level of the board" });
    await form.getByLabel("Least level").selectOption("warn");
    await form.getByLabel("For how long").selectOption("1 hour");
    await form.getByRole("button", { name: "Set level" }).click();
    await form.getByText("The board is away; it is told when it comes back.").waitFor();
    await form.getByRole("button", { name: "Set level" }).click();
    await form.getByText(/^The board was told\. It falls back by itself at \d\d:\d\d:\d\d\.$/).waitFor();
    await form.getByLabel("Least level").selectOption("own");
    await form.getByRole("button", { name: "Set level" }).click();
    await form.getByText("The board logs as it is set.").waitFor();
    expect(leases).toEqual([
      { src: "board", level: "warn", forMs: 3_600_000 },
      { src: "board", level: "warn", forMs: 3_600_000 },
      { src: "board", level: "all", forMs: 0 },
    ]);
    if (process.env.SCREENSHOT !== undefined) await page.screenshot({ path: process.env.SCREENSHOT });
    await page.goto(`${bench.running.url}/?src=other`);
    await form.getByRole("button", { name: "Set level" }).click();
    await form.getByText(/no gateway that is connected knows the board other/).waitFor();
    expect(complaints).toEqual([]);
  });

  it("can be used by keyboard alone", async () => {
    await start();
    await log(lines(1, 100));
    const { page } = await open();
    await page.keyboard.press("Tab");
    await page.keyboard.type(bench.running.key);
    await page.keyboard.press("Enter");
    await page.getByRole("status").getByText("live", { exact: true }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("line 1");
    await expect.poll(async () => (await shown(page)).length).toBe(12);
    await page.getByRole("listbox", { name: "Log" }).focus();
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("ArrowUp");
    const details = page.getByRole("region", { name: "Line in full" });
    await details.getByText("line 19", { exact: true }).waitFor();
    await page.keyboard.press("Escape");
    await details.waitFor({ state: "detached" });
    await page.keyboard.press("End");
    await page.getByRole("button", { name: /^Resume/ }).waitFor({ state: "detached" });
  });

  it("says what to do where there is nothing yet", async () => {
    await start();
    const { page } = await open();
    await signIn(page);
    for (const words of ["Nothing has logged yet", "boardlog up --serial", "boardlog up --demo", "Log.Log"]) {
      await page.getByText(words).first().waitFor();
    }
    await log(["first"]);
    await page.locator(".line").getByText("first").waitFor();
  });

  it.each([
    ["wide and light", { viewport: { width: 1280, height: 800 }, colorScheme: "light" }],
    ["wide and dark", { viewport: { width: 1280, height: 800 }, colorScheme: "dark" }],
    ["a phone", { viewport: { width: 360, height: 640 }, colorScheme: "light", hasTouch: true }],
  ] as const)(
    "has no accessibility fault that axe finds, and nothing beyond the edge: %s",
    async (_name, options) => {
      await start();
      const { page } = await open("/", options);
      await checkPage(page, "sign in");
      await signIn(page);
      await page.getByText("Nothing has logged yet").waitFor();
      await checkPage(page, "empty");
      for (const level of ["debug", "info", "warn", "error"])
        await log([`a line of ${level} `.repeat(20)], {
          level,
          src: "somewhere-far-away",
          module: "a-module",
        });
      await log([{ a: [1] }], { src: "a-very-long-name/of-a-board/that-does-not-fit", module: "m" });
      await expect.poll(async () => (await shown(page)).length).toBe(5);
      await page.locator(".line").last().click();
      await page.getByRole("region", { name: "Line in full" }).waitFor();
      if (options.viewport.width < 700)
        await page.getByRole("button", { name: "Sources", exact: true }).click();
      await page.getByRole("navigation", { name: "Sources" }).getByText("a-very-long").waitFor();
      await checkPage(page, "log with details");
      if (options.viewport.width < 700) {
        await page.getByRole("button", { name: "Close the sources" }).click({ position: { x: 350, y: 300 } });
        await page.getByRole("navigation", { name: "Sources" }).waitFor({ state: "hidden" });
      }
      await page.getByText("More").click();
      await page.getByLabel("Module").waitFor();
      await checkPage(page, "menu");
      await page.getByLabel("Received time").check();
      await page.getByLabel("Sequence numbers").check();
      // Whatever stands before it, the text of a line is in its row.
      const row = page.locator(".line.error");
      const [whole, text] = [await row.boundingBox(), await row.locator(".text").boundingBox()];
      if (whole === null || text === null) throw new Error("the line is not drawn");
      expect(text.y + text.height).toBeLessThanOrEqual(whole.y + whole.height + 1);
      await page.getByRole("listbox", { name: "Log" }).click({ position: { x: 5, y: 5 } });
      await page.getByLabel("Module").waitFor({ state: "hidden" });
    },
  );

  async function clipboardOf(page: Page): Promise<string> {
    return (await page.evaluate("navigator.clipboard.readText()")) as string;
  }

  async function checkPage(page: Page, state: string): Promise<void> {
    const source = await readFile(AXE_FILE, "utf8");
    // The page's own policy lets nothing else in, so the checks come by the debugger.
    const found = (await page.evaluate(`${source}; axe.run()`)) as {
      violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
    };
    const faults = found.violations.map(
      ({ id, nodes }) => `${state}: ${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`,
    );
    expect(faults).toEqual([]);
    const [scrollWidth, innerWidth] = (await page.evaluate(
      "[document.documentElement.scrollWidth, innerWidth]",
    )) as [number, number];
    expect(scrollWidth, state).toBeLessThanOrEqual(innerWidth);
  }
});
