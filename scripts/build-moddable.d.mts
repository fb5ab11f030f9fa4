export const MODDABLE_PORTS: readonly string[];
export function bundleModdablePort(port: string, features?: readonly string[]): Promise<string>;
export function bundleModdableApp(
  appFile: string,
  options: { readonly port: string; readonly features?: readonly string[]; readonly minify?: boolean },
): Promise<{
  readonly text: string;
  readonly startsAgent: boolean;
  /** Modules that the bundle imports and the manifest must bring. */
  readonly sdkModules: readonly string[];
}>;
export function moddableManifest(port: string, module: string, file: string): Promise<string>;
