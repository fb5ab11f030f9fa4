/** Topics of boards (docs/protocol.md 8.1). */
export interface DeviceTopic {
  readonly project: string;
  readonly device: string;
  readonly kind: "log" | "cmd";
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are refused in names.
const DEVICE_TOPIC = /^boardlog\/([^/+#\u0000-\u001f\u007f]+)\/([^/+#\u0000-\u001f\u007f]+)\/(log|cmd)$/;

export function logTopic(project: string, device: string): string {
  return `boardlog/${project}/${device}/log`;
}

export function commandTopic(project: string, device: string): string {
  return `boardlog/${project}/${device}/cmd`;
}

/** Subscription that hears every board of a project. */
export function logTopicFilter(project: string): string {
  return `boardlog/${project}/+/log`;
}

/** Reads a concrete topic (no wildcards), or says undefined. */
export function parseDeviceTopic(topic: string): DeviceTopic | undefined {
  const [, project, device, kind] = DEVICE_TOPIC.exec(topic) ?? [];
  if (project === undefined || device === undefined || (kind !== "log" && kind !== "cmd")) return undefined;
  return { project, device, kind };
}
