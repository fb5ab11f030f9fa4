export function findXs(): Promise<
  { readonly kind: "xst" | "xsnap"; readonly path: string } | { readonly missing: string }
>;
