export function runOnEngine(
  engine: { readonly kind: "xst" | "xsnap" | "espruino"; readonly path: string },
  script: string,
  isDone?: (printed: string) => boolean,
): Promise<string>;
