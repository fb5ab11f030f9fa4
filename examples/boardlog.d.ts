/** What `boardlog build` puts in the place of `boardlog` (docs/agent.md). */
declare module "boardlog" {
  interface Log {
    log(...values: unknown[]): void;
    debug(...values: unknown[]): void;
    info(...values: unknown[]): void;
    warn(...values: unknown[]): void;
    error(...values: unknown[]): void;
  }
  export function start(options: object): Log;
}
declare const console: {
  log(...values: unknown[]): void;
  debug(...values: unknown[]): void;
  info(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  error(...values: unknown[]): void;
};

/** Of Moddable's SDK; `examples/moddable-*` alone. */
declare module "timer" {
  const Timer: { repeat(action: () => void, delayMs: number): unknown };
  export default Timer;
}
declare module "mqttclient/config";
