// A pump's board that logs over its own USB cable, beside the prompt: boardlog build examples/espruino-console/app.ts --transport console --with clock,words
import { start } from "boardlog";

declare function setInterval(action: () => void, delayMs: number): unknown;

start({ src: "pump-1" });
let round = 0;

function measure(): void {
  round++;
  console.log(`pump: state=run rpm=${4200 + (round % 7) * 90}`);
}

console.info("pump: started");
setInterval(measure, 2000);
