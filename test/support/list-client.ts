/** An entry as List gives it with further fields. */
export interface Listed {
  readonly id: string;
  readonly stream: string;
  readonly msg: unknown;
  readonly timestamp: number;
  readonly boot?: string;
  readonly seq?: number;
  readonly clock?: string;
  readonly level?: string;
}

/** Walks a source from its beginning to its end, page by page. */
export async function listAll(url: string, key: string, src: string, limit = 1000): Promise<Listed[]> {
  const entries: Listed[] = [];
  for (;;) {
    const after = entries.at(-1)?.id;
    const response = await fetch(`${url}/v1/Log.List`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": key },
      body: JSON.stringify({
        src,
        limit,
        fields: ["boot", "seq", "clock", "level"],
        ...(after !== undefined && { after }),
      }),
    });
    const answer = (await response.json()) as { status: number; status_msg?: string; resp: Listed[] };
    if (answer.status !== 0) throw new Error(`${answer.status} ${answer.status_msg}`);
    if (answer.resp.length === 0) return entries;
    entries.push(...answer.resp);
  }
}
