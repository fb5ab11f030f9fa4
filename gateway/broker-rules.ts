import { parseDeviceTopic } from "../protocol/mqtt-topics.ts";
import { isProject } from "../protocol/names.ts";

/** Who a client of the embedded broker is, once its password was checked. */
export interface BrokerClient {
  readonly project: string;
}

/** Checks what a client of the embedded broker shows: user name and password (docs/protocol.md 8.4). */
export interface BrokerAuth {
  /** Undefined, and nothing more, for credentials that are not good. */
  authenticate(userName: string, password: string): Promise<BrokerClient | undefined>;
}

/** Whether a client may publish on a topic: `.../log` of its own project. */
export function mayPublish(client: BrokerClient, topic: string): boolean {
  const parsed = parseDeviceTopic(topic);
  return parsed !== undefined && parsed.kind === "log" && parsed.project === client.project;
}

/** Whether a client may subscribe: `.../cmd` of its own project, with `+` or a name for the device. */
export function maySubscribe(client: BrokerClient, filter: string): boolean {
  if (!isProject(client.project)) return false;
  if (filter === `boardlog/${client.project}/+/cmd`) return true;
  const parsed = parseDeviceTopic(filter);
  return parsed !== undefined && parsed.kind === "cmd" && parsed.project === client.project;
}
