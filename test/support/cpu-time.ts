/** CPU that this process has used, ms: what a busy machine does to the wall clock it does not do to this. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
