export function inlineCalls(text: string): string;
