import type { AgentConsole } from "../firmware-js/agent/env.ts";
import type { Timer, Timers } from "../host/clock.ts";
import type { Random } from "../host/random.ts";

/** What the demo's boards do all day: a greenhouse that measures, and a pump that runs. */
export const DemoApp = { Greenhouse: "greenhouse", Pump: "pump" } as const;
export type DemoApp = (typeof DemoApp)[keyof typeof DemoApp];

/** A console for each part of the firmware. */
export type ModuleConsoles = (name: string) => AgentConsole;

/** Starts an app that logs as firmware does; `cancel` ends it. Its lines of level debug are seen while a lease asks for them. */
export function startDemoApp(
  app: DemoApp,
  board: { readonly console: AgentConsole; readonly module: ModuleConsoles },
  world: { readonly timers: Timers; readonly random: Random },
): Timer {
  board.console.info(`${app}: started, firmware 1.4.2`);
  let round = 0;
  const step = app === DemoApp.Greenhouse ? greenhouseRound(board.module) : pumpRound(board.module);
  return world.timers.every(app === DemoApp.Greenhouse ? 1000 : 1700, () => {
    round += 1;
    step(round, world.random);
  });
}

type Round = (round: number, random: Random) => void;

function greenhouseRound(module: ModuleConsoles): Round {
  const [sensor, climate, wifi] = [module("sensor"), module("climate"), module("wifi")];
  return (round, random) => {
    const celsius = 21 + 6 * random.fraction();
    const humidity = 40 + 20 * random.fraction();
    sensor.debug(`i2c: read 0x44 in ${(2 + 3 * random.fraction()).toFixed(1)} ms`);
    sensor.log(`temperature=${celsius.toFixed(1)} humidity=${humidity.toFixed(1)}`);
    if (round % 4 === 0) wifi.debug(`rssi=${-40 - Math.floor(40 * random.fraction())} dBm`);
    if (round % 5 === 0) {
      climate.info({ vent: celsius > 24 ? "open" : "closed", celsius: Math.round(celsius), round });
    }
    if (celsius > 26) climate.warn(`too warm: ${celsius.toFixed(1)} °C, opening the vent`);
  };
}

function pumpRound(module: ModuleConsoles): Round {
  const [motor, flow] = [module("motor"), module("flow")];
  return (round, random) => {
    const rpm = 4200 + Math.floor(600 * random.fraction());
    motor.debug(`pwm duty=${(55 + 10 * random.fraction()).toFixed(1)} %`);
    motor.log(`state=run rpm=${rpm} current=${900 + Math.floor(200 * random.fraction())} mA`);
    if (rpm > 4700) motor.warn(`rpm=${rpm} above 4700`);
    if (round % 9 === 0) flow.error("no pulse for 250 ms, retrying");
  };
}
