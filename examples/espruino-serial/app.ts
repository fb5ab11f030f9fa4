// A pump's board that logs over a UART of its own: boardlog build examples/espruino-serial/app.ts --with clock,direct
import { start } from "boardlog";

declare const Serial1: unknown;
declare const D0: unknown;
declare const D1: unknown;
declare function setInterval(action: () => void, delayMs: number): unknown;

const log = start({ serial: Serial1, baud: 115200, setup: { rx: D0, tx: D1 }, src: "pump-1" });
let round = 0;

function measure(): void {
  round++;
  console.log(`pump: state=run rpm=${4200 + (round % 7) * 90}`);
  if (round % 10 === 0) {
    log.info({ round, current: 900 + round });
  }
}

console.info("pump: started");
setInterval(measure, 2000);
