/** Names a source in tables. Whoever asks a table for each frame makes it once: to put it together and hash it costs more than the table. */
export function sourceKey(project: string, src: string): string {
  return `${project} ${src}`;
}
