export function findUnsupported(text: string): { construct: string; line: number; column: number }[];
