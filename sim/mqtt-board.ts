import mqtt from "mqtt";
import type { Clock, Timers } from "../host/clock.ts";
import { commandTopic, logTopic } from "../protocol/mqtt-topics.ts";
import { type AgentProgram, type BoardOptions, SimulatedBoard } from "./board.ts";

export interface MqttBoardOptions extends BoardOptions {
  readonly brokerUrl: string;
  readonly username?: string;
  readonly password?: string;
  readonly project: string;
  readonly device: string;
}

/** A simulated board with an MQTT connection of its own. `stop` ends it within a moment. */
export function startMqttBoard(
  world: { readonly clock: Clock; readonly timers: Timers },
  program: AgentProgram,
  options: MqttBoardOptions,
): { readonly board: SimulatedBoard; stop(): Promise<void> } {
  const { project, device } = options;
  const client = mqtt.connect(options.brokerUrl, {
    clientId: `board-${device}`,
    clean: true,
    reconnectPeriod: 1000,
    ...(options.username !== undefined && { username: options.username }),
    ...(options.password !== undefined && { password: options.password }),
  });
  const board = new SimulatedBoard(
    world,
    program,
    {
      send: (frame) => {
        if (!client.connected) return false;
        client.publish(logTopic(project, device), frame, { qos: 1 });
        return true;
      },
      print: () => {},
    },
    options,
  );
  client.on("connect", () => {
    client.subscribe(commandTopic(project, device), { qos: 1 }, () => {
      board.agent.restart();
      board.agent.ready();
    });
  });
  client.on("message", (_topic, payload) => board.agent.receive(payload.toString("utf8")));
  client.on("error", () => {}); // MQTT.js reconnects by itself; the agent keeps its lines meanwhile.
  return {
    board,
    stop: async () => {
      board.agent.stop();
      await client.endAsync(true);
    },
  };
}
