import { isProject } from "../protocol/names.ts";
import type { TopicRoute } from "./topic-route.ts";

/** Who a client of the embedded broker is, once its password was checked. */
export interface BrokerClient {
  readonly project: string;
  /** A board with a credential of its own; without it, whoever holds a key of the project. */
  readonly device?: string;
}

/** Checks what a client of the embedded broker shows: user name and password (docs/protocol.md 8.4). */
export interface BrokerAuth {
  /** Undefined, and nothing more, for credentials that are not good. */
  authenticate(userName: string, password: string): Promise<BrokerClient | undefined>;
  /** False once the credential that admitted it was revoked or got a new secret; asked at each contact. */
  isStillGood(client: BrokerClient): boolean;
}

/** Whether a client may publish on a topic: one of the routes, of its own project and, where it is a board, its own. */
export function mayPublish(client: BrokerClient, topic: string, routes: readonly TopicRoute[]): boolean {
  return routes.some(({ template }) => {
    const values = template.match(topic);
    return values !== undefined && isOwn(client, values.project, values.device);
  });
}

/** Whether a client may subscribe: to where its answers go; a key of the project may put `+` for the device. */
export function maySubscribe(client: BrokerClient, filter: string, routes: readonly TopicRoute[]): boolean {
  const { project, device } = client;
  if (!isProject(project)) return false;
  return routes.some(({ answers }) => {
    if (answers === undefined) return false;
    if (device === undefined && filter === answers.filter({ project })) return true;
    const values = answers.match(filter);
    return values !== undefined && isOwn(client, values.project, values.device);
  });
}

/** A topic without one of the names says nothing about it: then the credential says it. */
function isOwn(client: BrokerClient, project: string | undefined, device: string | undefined): boolean {
  if (project !== undefined && project !== client.project) return false;
  return client.device === undefined || device === undefined || device === client.device;
}
