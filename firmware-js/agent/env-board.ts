/** The board that the simulator and the tests give as `env`. */
import type { AgentEnv } from "./env.ts";

declare const env: AgentEnv;

export const boot = env.boot;
export const settings = Object.assign({ src: env.src }, env.settings);
export const frameBytesMax = settings.frameBytesMax ?? 1024;
export const ackTimeoutMsMin = settings.ackTimeoutMs ?? 1000;
export const send = env.send;
export const ringBytesLimit = env.ringBytesLimit ?? Infinity;

export function now(): number {
  return env.utc() || env.uptime();
}

export function setClock(utcMs: number): void {
  env.setClock?.(utcMs);
}

export function saved(index: number): string | undefined {
  return env.storage?.read(index);
}

export function save(index: number, text: string): void {
  env.storage?.write(index, text);
}
