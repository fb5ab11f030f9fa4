/** One construct that Espruino does not take, and where it stands. */
export interface UnsupportedFinding {
  readonly construct: string;
  /** `file:line` of the source, or `name:line:column` of the bundle. */
  readonly where: string;
}
export class UnsupportedSyntax extends Error {
  readonly code: "UNSUPPORTED_SYNTAX";
  readonly findings: readonly UnsupportedFinding[];
}
export function checkForEspruino(name: string, text: string, map?: object, folder?: string): void;
export const FEATURES: readonly string[];
export const SIMULATOR_FEATURES: readonly string[];
export const FULL_FEATURES: readonly string[];
export function bundleForEspruino(
  entry: string,
  options?: { readonly board?: string; readonly features?: readonly string[] },
): Promise<string>;
export function bundleAgent(features?: readonly string[]): Promise<string>;
export function bundlePort(port: string, features?: readonly string[]): Promise<string>;
export const PORTS: readonly string[];
export function portFeatures(port: string): readonly string[];
export function bundleApp(
  appFile: string,
  options: { readonly port: string; readonly features?: readonly string[]; readonly minify?: boolean },
): Promise<{ readonly text: string; readonly startsAgent: boolean }>;
export function buildFirmware(options: { readonly outDir: string }): Promise<Record<string, number>>;
