import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { CHROMIUM } from "../support/chromium.ts";
import { ConsoleBench, lines, shown } from "../support/console-bench.ts";

/** What a person notices as a stall, with room for a machine that has other things to do. */
const LONG_TASK_MS_MAX = 500;

const bench = new ConsoleBench();
const { start, open, signIn, log } = bench;

describe.skipIf(CHROMIUM.isMissing)(`how quick the page is in Chromium${CHROMIUM.note}`, () => {
  beforeAll(bench.launch);
  afterEach(bench.endTest);
  afterAll(bench.close);

  it("shows a line within a second of its being stored, and marks where live begins", async () => {
    await start();
    await log(["before"]);
    const { page, complaints } = await open();
    await signIn(page);
    await page.getByText("before").waitFor();
    await log(["after"]);
    await page.locator(".line").getByText("after").waitFor();
    expect(await page.locator(".row").allTextContents()).toEqual([
      expect.stringContaining("before"),
      "live from here",
      expect.stringContaining("after"),
    ]);
    // The machine may be busy with other things now and then, but not always.
    const tookMs: number[] = [];
    for (let turn = 1; turn <= 10 && !tookMs.some((one) => one < 1000); turn++) {
      const startMs = performance.now();
      await log([`turn ${turn}`]);
      await page.locator(".line").getByText(`turn ${turn}`, { exact: true }).waitFor();
      tookMs.push(performance.now() - startMs);
    }
    expect(Math.min(...tookMs)).toBeLessThan(1000);
    expect(complaints).toEqual([]);
  });

  it("stays smooth with more than 100,000 lines, however far one scrolls: no task of the page holds it up for half a second", async () => {
    await start();
    await log(lines(1, 1000));
    const { page, complaints } = await open();
    await signIn(page);
    await page.evaluate(`globalThis.tasks = []; new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) tasks.push(duration);
    }).observe({ entryTypes: ["longtask"] })`);
    await log(lines(1001, 125_000));
    await page.locator(".line").getByText("line 125000", { exact: true }).waitFor({ timeout: 60_000 });
    await page.getByRole("listbox", { name: "Log" }).hover();
    for (let turn = 0; turn < 60; turn++) {
      await page.mouse.wheel(0, turn % 20 === 19 ? 60_000 : -6_000);
      await page.waitForTimeout(16);
    }
    // More than the page holds: the newest are let go on the way to the oldest, and fetched again on the way back.
    await page.getByRole("listbox", { name: "Log" }).focus();
    await expect
      .poll(
        async () => {
          await page.keyboard.press("Home");
          return (await shown(page))[0];
        },
        { timeout: 90_000, interval: 20 },
      )
      .toBe("line 1");
    expect((await shown(page)).slice(0, 20)).toEqual(lines(1, 20));
    await log(["the newest"]);
    await page.getByRole("button", { name: "Resume (1 new line)" }).click();
    await page.locator(".line").getByText("the newest", { exact: true }).waitFor();
    expect((await shown(page)).slice(-5)).toEqual([...lines(124_997, 125_000), "the newest"]);
    const tasks = ((await page.evaluate("tasks")) as number[]).sort((left, right) => right - left);
    process.stdout.write(
      `long tasks with 125,000 lines: ${tasks.length}, the longest ${Math.round(Math.max(0, ...tasks))} ms\n`,
    );
    const drawn = await page.locator(".row").count();
    expect(drawn).toBeLessThan(120);
    // A machine with other things to do may stop the page once or twice; a page that stalls does so at each of 100 loads.
    expect(tasks[2] ?? 0, `long tasks: ${tasks.map(Math.round).join(" ")} ms`).toBeLessThan(LONG_TASK_MS_MAX);
    expect(complaints).toEqual([]);
  }, 240_000);
});
