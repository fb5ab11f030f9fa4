export function findUnsupported(text: string): { construct: string; line: number; column: number }[];
export const MISSING_GLOBALS: ReadonlySet<string>;
/** As `Array.from`. */
export const MISSING_MEMBERS: ReadonlySet<string>;
/** Of any prototype. */
export const MISSING_METHODS: ReadonlySet<string>;
