/**
 * What the engine brings, under names of the agent's own: on Espruino a global is looked for behind all of these, and each
 * mention is text.
 */
export const stringify = JSON.stringify as (value: unknown) => string;
export const parse = JSON.parse as (text: string) => unknown;
export const after = setTimeout;
export const cancel = clearTimeout;
