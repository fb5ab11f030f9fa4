/**
 * Compiled against the SDK's own declarations (moddable-types.test.ts): what the ports give to the SDK's classes, and what
 * they take from them. Where a declaration says otherwise than the SDK's code, the code is cited and left out here.
 */

import type Serial from "embedded:io/serial";
import MQTTClient from "embedded:network/mqtt/client";
import type { Client, ClientClass } from "../../../firmware-js/moddable/mqtt.ts";
import type { SerialClass, SerialPort } from "../../../firmware-js/moddable/serial.ts";

type SerialGiven = ConstructorParameters<SerialClass>[0];
type SerialOptions = ConstructorParameters<typeof Serial>[0];

/** With the pins that the app gives, the port's options are the constructor's. */
export function serialOptions(given: Omit<SerialGiven, "onReadable" | "onWritable">): SerialOptions {
  return { ...given, port: 2, receive: 16, transmit: 17 };
}
/** Its events: a function of the port's own `this` is one for the SDK's. */
export function serialEvents(
  given: SerialGiven,
): Record<"onReadable" | "onWritable", (this: SerialPort, count: number) => void> {
  return { onReadable: given.onReadable, onWritable: given.onWritable };
}
/** Of `format: "buffer"`, which is why no number comes. */
export function serialRead(port: Serial): ArrayBuffer | undefined {
  const bytes = port.read();
  return typeof bytes === "number" ? undefined : bytes;
}
export const serialWrite = (port: Serial): Pick<SerialPort, "write"> => port;

type MqttGiven = ConstructorParameters<ClientClass>[0];
type MqttOptions = ConstructorParameters<typeof MQTTClient>[0];

/**
 * The socket and the resolver are those of `device.network.mqtt`. `onControl(packet)` is what the client calls
 * (examples/io/tcp/mqttclient/mqttclient.js); its declaration has two parameters.
 */
export function mqttOptions(
  given: Omit<MqttGiven, "onControl" | "onReadable" | "onWritable">,
): Omit<MqttOptions, "dns" | "socket"> {
  return given;
}
export const mqttReadable = (given: MqttGiven): OmitThisParameter<MqttGiven["onReadable"]> =>
  given.onReadable.bind(undefined as never);
export const mqttReadableOfSdk = (given: MqttGiven): NonNullable<MqttOptions["onReadable"]> =>
  mqttReadable(given);
/** A SUBSCRIBE has no data and no topic of its own there; the declaration wants both. */
export const mqttInstance = (client: MQTTClient): Pick<Client, "read" | "close"> => client;
export const mqttWrite = (client: MQTTClient, data: ArrayBuffer): number =>
  client.write(data, { topic: "a", id: 1, QoS: 1, byteLength: data.byteLength });
export const mqttConstants: Pick<ClientClass, "CONNACK" | "SUBSCRIBE"> = MQTTClient;
