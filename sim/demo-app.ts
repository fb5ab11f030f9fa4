import type { AgentConsole } from "../firmware-js/agent/env.ts";
import type { Timer, Timers } from "../host/clock.ts";
import type { Random } from "../host/random.ts";

/** What the demo's boards do all day: a greenhouse that measures, and a pump that runs. */
export const DemoApp = { Greenhouse: "greenhouse", Pump: "pump" } as const;
export type DemoApp = (typeof DemoApp)[keyof typeof DemoApp];

/** Starts an app that logs to `console` as firmware does; `cancel` ends it. */
export function startDemoApp(
  app: DemoApp,
  console: AgentConsole,
  world: { readonly timers: Timers; readonly random: Random },
): Timer {
  console.info(`${app}: started, firmware 1.4.2`);
  let round = 0;
  const step = app === DemoApp.Greenhouse ? greenhouseRound : pumpRound;
  return world.timers.every(app === DemoApp.Greenhouse ? 1000 : 1700, () => {
    round += 1;
    step(console, round, world.random);
  });
}

function greenhouseRound(console: AgentConsole, round: number, random: Random): void {
  const celsius = 21 + 6 * random.fraction();
  console.log(
    `sensor: temperature=${celsius.toFixed(1)} humidity=${(40 + 20 * random.fraction()).toFixed(1)}`,
  );
  if (round % 4 === 0) console.debug(`wifi: rssi=${-40 - Math.floor(40 * random.fraction())} dBm`);
  if (round % 5 === 0)
    console.info({ vent: celsius > 24 ? "open" : "closed", celsius: Math.round(celsius), round });
  if (celsius > 26) console.warn(`too warm: ${celsius.toFixed(1)} °C, opening the vent`);
}

function pumpRound(console: AgentConsole, round: number, random: Random): void {
  const rpm = 4200 + Math.floor(600 * random.fraction());
  console.log(`pump: state=run rpm=${rpm} current=${900 + Math.floor(200 * random.fraction())} mA`);
  if (rpm > 4700) console.warn(`pump: rpm=${rpm} above 4700`);
  if (round % 9 === 0) console.error("flow sensor: no pulse for 250 ms, retrying");
}
