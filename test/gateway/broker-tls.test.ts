import mqtt from "mqtt";
import { afterEach, describe, expect, test } from "vitest";
import { plainBroker } from "../../gateway/broker-setting.ts";
import { GatewayCore } from "../../gateway/gateway-core.ts";
import { MqttBrokerLink } from "../../gateway/mqtt-broker-link.ts";
import { MqttProtocol, type MqttTarget } from "../../gateway/mqtt-connection.ts";
import { Certificates } from "../support/certificates.ts";
import { logFrame } from "../support/frames.ts";
import { realWorld, until } from "../support/gateway-world.ts";
import { Mosquitto } from "../support/mosquitto.ts";
import { requires } from "../support/requirements.ts";

const needs = [requires("mosquitto"), requires("openssl")];
const [broker, openssl] = needs;

describe.skipIf(needs.some(({ isMissing }) => isMissing))(
  `a real Mosquitto that wants certificates${needs.map(({ note }) => note).join("")}`,
  () => {
    const ends: (() => unknown)[] = [];
    afterEach(async () => {
      for (const end of ends.splice(0).reverse()) await end();
    });

    async function started() {
      const certificates = new Certificates(openssl?.path ?? "");
      ends.push(() => certificates.dispose());
      for (const name of ["broker", "gateway"]) certificates.sign(name);
      const mosquitto = new Mosquitto(broker?.path ?? "", [
        `cafile ${certificates.path("ca.crt")}`,
        `certfile ${certificates.path("broker.crt")}`,
        `keyfile ${certificates.path("broker.key")}`,
        "require_certificate true",
      ]);
      await mosquitto.start();
      ends.push(() => mosquitto.dispose());
      return { certificates, mosquitto };
    }

    async function gatewayAt(target: Omit<MqttTarget, "host">) {
      const world = realWorld();
      const link = new MqttBrokerLink(world, {
        ...plainBroker({ host: "127.0.0.1", ...target }),
        project: "default",
        clientId: "boardlog-test",
      });
      const core = new GatewayCore(world);
      await core.addTopics(link, { project: "default" });
      ends.push(() => core.stop());
      return { ...world, link };
    }

    test.each([MqttProtocol.V3_1_1, MqttProtocol.V5])(
      "hears boards through TLS with a client certificate (CONNECT version %i)",
      async (protocol) => {
        const { certificates, mosquitto } = await started();
        const tls = {
          ca: certificates.text("ca.crt"),
          cert: certificates.text("gateway.crt"),
          key: certificates.text("gateway.key"),
        };
        const { link, uplink } = await gatewayAt({ port: mosquitto.port, protocol, tls });
        await until("connected", () => link.problem === undefined);
        const board = await mqtt.connectAsync(`mqtts://127.0.0.1:${mosquitto.port}`, tls);
        ends.push(() => void board.end(true));
        const frame = logFrame({ boot: "b", ack: true }, [{ id: 1, msg: "secret road" }]);
        await board.publishAsync("boardlog/default/kitchen/log", frame, { qos: 1 });
        await until("the entry", () => uplink.entries.length === 1);
        expect(uplink.texts("kitchen")).toEqual(["secret road"]);
      },
    );

    test("a broker that the gateway's authority did not sign is not spoken to, and a gateway without certificate is told", async () => {
      const { certificates, mosquitto } = await started();
      const { port } = mosquitto;
      const protocol = MqttProtocol.V3_1_1;
      const distrustful = await gatewayAt({ port, protocol, tls: {} });
      await until("a complaint", () => distrustful.log.lines.length > 0);
      expect(distrustful.log.text).toMatch(/unable to verify|self.signed|issuer/i);
      expect(distrustful.link.problem).toMatch(/^broker .*(unable to verify|self.signed|issuer)/i);
      const nameless = await gatewayAt({ port, protocol, tls: { ca: certificates.text("ca.crt") } });
      await until("a complaint", () => nameless.log.lines.some(({ level }) => level === "warn"));
      expect(nameless.log.text).toMatch(/certificate|closed before/i);
      expect(nameless.link.problem).toBeDefined();
    });
  },
);
