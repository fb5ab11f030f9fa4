// A pump's board on Moddable that logs over a UART: boardlog build examples/moddable-serial/app.ts --target moddable --with clock,direct
import { start } from "boardlog";
import Timer from "timer";

/** Pins and port are the board's; `port: 2` is ESP32's UART2. */
const log = start({ serial: { port: 2, receive: 16, transmit: 17 }, baud: 115200, src: "pump-2" });
let round = 0;

console.info("pump: started");
Timer.repeat(() => {
  round++;
  console.log(`pump: state=run rpm=${4200 + (round % 7) * 90}`);
  if (round % 10 === 0) {
    log.info({ round, current: 900 + round });
  }
}, 2000);
