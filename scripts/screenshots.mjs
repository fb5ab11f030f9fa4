// Takes the README's pictures of the page: an hour of a greenhouse and a pump, then the demo live. Needs a built checkout and Chromium.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const path = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url));
const IMAGES = path("docs/images");
const HTTP_PORT = 17480;
const URL_BASE = `http://127.0.0.1:${HTTP_PORT}`;
const LIVE_MS = 6_000;

/** Numbers that look drawn and are the same at every run. */
let state = 7;
function fraction() {
  state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
  return state / 2_147_483_648;
}

async function startUp(data, extra) {
  const args = ["up", "--quiet", "--data", data, "--http", String(HTTP_PORT), "--mqtt", "17883", ...extra];
  const child = spawn(process.execPath, [path("bin/boardlog.js"), ...args], { stdio: "inherit" });
  while (!(await fetch(`${URL_BASE}/healthz`).catch(() => undefined))?.ok) await sleep(100);
  return () =>
    new Promise((resolve) => {
      child.once("exit", resolve);
      child.kill("SIGTERM");
    });
}

/** The past hour as the demo's boards would have logged it, with a pump that is in trouble for a while and a gap. */
async function fillHour(key) {
  const endMs = Date.now() - 60_000;
  const seqs = { greenhouse: 0, pump: 0 };
  const cmds = { greenhouse: [], pump: [] };
  const log = (src, timestamp, msg, more) => {
    seqs[src] += 1;
    // What a full ring dropped: the log says so in its place.
    if (src === "pump" && seqs.pump > 400 && seqs.pump <= 420) return;
    cmds[src].push({
      cmd: "/v1/Log.Log",
      id: seqs[src],
      args: { msg, timestamp, ...more },
    });
  };
  for (let at = endMs - 3_540_000, round = 0; at < endMs; at += 4000, round++) {
    const celsius = 23 + 3 * Math.sin(round / 90) + fraction();
    log("greenhouse", at, `temperature=${celsius.toFixed(1)} humidity=${(40 + 20 * fraction()).toFixed(1)}`, {
      module: "sensor",
    });
    if (round % 5 === 0)
      log(
        "greenhouse",
        at,
        { vent: celsius > 24 ? "open" : "closed", celsius: Math.round(celsius), round },
        { module: "climate", level: "info" },
      );
    if (celsius > 25.5 && round % 3 === 0)
      log("greenhouse", at, `too warm: ${celsius.toFixed(1)} °C, opening the vent`, {
        module: "climate",
        level: "warn",
      });
    log(
      "pump",
      at + 700,
      `state=run rpm=${4200 + Math.floor(600 * fraction())} current=${900 + Math.floor(200 * fraction())} mA`,
      { module: "motor" },
    );
    if (round > 500 && round < 620 && round % 2 === 0)
      log("pump", at + 900, "no pulse for 250 ms, retrying", { module: "flow", level: "error" });
  }
  for (const [src, all] of Object.entries(cmds)) {
    for (let start = 0; start < all.length; start += 200) {
      const some = all.slice(start, start + 200);
      const frame = { v: 1, src, boot: `${src}-1`, first: some[0].id, ack: true, cmds: some };
      const response = await fetch(URL_BASE, {
        method: "POST",
        headers: { "x-api-key": key },
        body: JSON.stringify(frame),
      });
      if (!response.ok) throw new Error(await response.text());
    }
  }
}

async function open(browser, key, options) {
  const page = await (await browser.newContext(options)).newPage();
  await page.goto(URL_BASE);
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Show the log" }).click();
  await page.getByRole("status").getByText("live", { exact: true }).waitFor();
  return page;
}

const shoot = (page, name) => page.screenshot({ path: join(IMAGES, `${name}.png`) });

const data = await mkdtemp(join(tmpdir(), "boardlog-screenshots-"));
let stop = await startUp(data, []);
const key = (await readFile(join(data, "api-key"), "utf8")).trim();
await fillHour(key);
await stop();
stop = await startUp(data, ["--demo"]);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
try {
  const wide = await open(browser, key, { viewport: { width: 1280, height: 720 }, colorScheme: "light" });
  const phone = await open(browser, key, {
    viewport: { width: 390, height: 720 },
    colorScheme: "dark",
    hasTouch: true,
    deviceScaleFactor: 2,
  });
  await sleep(LIVE_MS);
  await wide.mouse.move(0, 0);
  await shoot(wide, "console-live");
  await shoot(phone, "console-phone");
  await wide.getByRole("searchbox", { name: "Text" }).fill("vent");
  await wide.locator("mark").first().waitFor();
  await sleep(6000);
  await wide.locator(".line.info").last().click();
  await wide.getByRole("region", { name: "Line in full" }).waitFor();
  await wide.mouse.move(0, 0);
  await shoot(wide, "console-details");
} finally {
  await browser.close();
  await stop();
  await rm(data, { recursive: true, force: true });
}
