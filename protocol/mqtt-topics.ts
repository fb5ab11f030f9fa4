/** Topics of boards with the agent (docs/protocol.md 8.1). */
export function logTopic(project: string, device: string): string {
  return `boardlog/${project}/${device}/log`;
}

export function commandTopic(project: string, device: string): string {
  return `boardlog/${project}/${device}/cmd`;
}
