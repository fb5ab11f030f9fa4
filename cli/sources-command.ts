import { PROJECT_DEFAULT } from "../protocol/names.ts";
import { ApiClient } from "./api-client.ts";
import { type ApiOptions, findApi } from "./api-options.ts";
import { localTime } from "./entry-line.ts";
import { writeOut } from "./output.ts";
import { type ColourChoice, styleOf } from "./style.ts";
import { visibleJson, visibleText } from "./visible-text.ts";

export interface SourcesOptions extends ApiOptions {
  readonly project?: string;
  readonly json?: boolean;
  readonly names?: boolean;
  readonly color?: ColourChoice;
}

/** `boardlog sources`: who has logged, the one heard last first. */
export async function runSources(options: SourcesOptions): Promise<void> {
  const sources = await new ApiClient(findApi(options), options.project ?? PROJECT_DEFAULT).sources();
  const sorted = sources.toSorted((left, right) => right.lastReceived - left.lastReceived);
  if (options.json) {
    await writeOut(sorted.map((source) => `${visibleJson(JSON.stringify(source))}\n`).join(""));
    return;
  }
  if (options.names) {
    await writeOut(sorted.map(({ src }) => `${visibleText(src)}\n`).join(""));
    return;
  }
  if (sorted.length === 0) {
    process.stderr.write(
      "nothing has logged yet: plug in a board (boardlog up --serial /dev/ttyUSB0), or try boardlog up --demo\n",
    );
    return;
  }
  const style = styleOf(process.stdout, options.color);
  const width = Math.max(6, ...sorted.map(({ src }) => visibleText(src).length));
  const nowMs = Date.now();
  const rows = sorted.map(({ src, lastReceived, entryCount, bootCount, clock, clockError, lossCounts }) => {
    const name = visibleText(src).padEnd(width);
    const time = `${localTime(lastReceived)}  ${agoText(nowMs - lastReceived).padStart(14)}`;
    const lost = Object.values(lossCounts).reduce((sum, count) => sum + count, 0);
    const quality = `${clock}${clockError === undefined ? "" : ` ±${clockError} ms`}`;
    const counts = `${String(entryCount).padStart(12)}  ${String(bootCount).padStart(6)}  ${String(lost).padStart(8)}`;
    return `${style.source(name)}  ${time}  ${counts}  ${quality}`;
  });
  const head = style.bold(
    `${"SOURCE".padEnd(width)}  ${"LAST RECEIVED".padEnd(23)}  ${"".padStart(14)}  ${"ENTRIES".padStart(12)}  ${"BOOTS".padStart(6)}  ${"LOST".padStart(8)}  CLOCK`,
  );
  await writeOut(`${[head, ...rows].join("\n")}\n`);
}

/** `3 min ago`; nothing finer than seconds, nothing coarser than days. */
export function agoText(ms: number): string {
  if (ms < 1000) return "now";
  if (ms < 60_000) return `${Math.floor(ms / 1000)} s ago`;
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ago`;
  if (ms < 86_400_000) return `${Math.floor(ms / 3_600_000)} h ago`;
  return `${Math.floor(ms / 86_400_000)} days ago`;
}
