// A greenhouse's board on Moddable that logs over MQTT: boardlog build examples/moddable-mqtt/app.ts --target moddable --transport mqtt
// The network is brought up by the SDK: mcconfig ... ssid="your network" password="its password"
import "mqttclient/config";
import { start } from "boardlog";
import Timer from "timer";

const BROKER = "192.168.1.10";
const API_KEY = "put an API key with the right to write here";

start({ server: BROKER, device: "greenhouse-2", mqtt: { user: "default", password: API_KEY } });

let round = 0;
Timer.repeat(() => {
  round++;
  console.log(`sensor: round=${round} temperature=${20 + (round % 5)}`);
}, 5000);
