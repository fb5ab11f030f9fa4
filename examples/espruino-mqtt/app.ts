// A greenhouse's board that logs over MQTT: boardlog build examples/espruino-mqtt/app.ts --transport mqtt
import { start } from "boardlog";

declare function require(name: "Wifi"): {
  connect(name: string, options: { readonly password: string }, done: (error: unknown) => void): void;
};
declare function setInterval(action: () => void, delayMs: number): unknown;

const BROKER = "192.168.1.10";
const API_KEY = "put an API key with the right to write here";

/** Lines logged before the network is there wait in the agent's ring. */
start({ server: BROKER, device: "greenhouse", mqtt: { username: "default", password: API_KEY } });

let round = 0;

function measure(): void {
  round++;
  console.log(`sensor: round=${round} temperature=${20 + (round % 5)}`);
}

require("Wifi").connect("your network", { password: "its password" }, (error) => {
  if (error) {
    console.error("wifi: not connected");
  }
});
setInterval(measure, 5000);
