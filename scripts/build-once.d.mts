export function buildOnce(options: {
  readonly cache: string;
  readonly file: string;
  readonly timeoutMs: number;
  readonly build: (folder: string) => Promise<string>;
}): Promise<void>;
