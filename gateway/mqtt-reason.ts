/** What a broker's codes mean to somebody who runs a gateway: CONNACK of 3.1.1 (3.2.2.3), reasons of version 5 (2.4). */
const REASONS: Readonly<Record<number, string>> = {
  0: "the broker ended the connection",
  1: "the broker refuses this protocol version: set the other one (protocol: 3.1.1 or 5)",
  2: "the broker refuses this client id",
  3: "the broker is not available for now",
  4: "the broker refuses this user name and password",
  5: "the broker refuses this client: no right to connect",
  129: "the broker found a malformed packet",
  130: "the broker found a protocol error",
  132: "the broker refuses this protocol version: set protocol: 3.1.1",
  133: "the broker refuses this client id",
  134: "the broker refuses this user name and password",
  135: "the broker refuses this client: no right to connect",
  136: "the broker is not available for now",
  137: "the broker is busy",
  138: "the broker has banned this client",
  139: "the broker stops",
  141: "the broker heard nothing from us for too long",
  142: "another client took this client id: two gateways must not have one id",
  147: "the broker says we take too long to ack",
  149: "the broker says a packet was too large",
  151: "a quota of the broker is used up",
  152: "the broker's administrator ended the connection",
};

export function mqttReason(code: number): string {
  return REASONS[code] ?? `the broker refused with code ${code}`;
}
