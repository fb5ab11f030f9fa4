export interface Snippet {
  readonly name: string;
  readonly code: string;
  readonly standard: string;
  /** `same`, `differs: JSON` or `fails: message`. */
  readonly espruino: string;
  readonly xs: string;
}
export function readTable(): Promise<{ readonly about: string; readonly cases: readonly Snippet[] }>;
export function runSnippet(
  engine: { readonly kind: "xst" | "xsnap" | "espruino"; readonly path: string },
  snippet: { readonly code: string; readonly standard: string },
): Promise<string>;
export function runOnNode(code: string): Promise<string | undefined>;
