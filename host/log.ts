/** The process's own log; `host/process-log.ts` writes it with pino. Fields must hold no secret. */
export interface ProcessLog {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}
