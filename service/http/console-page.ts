import fastifyStatic from "@fastify/static";

/** The page runs its own scripts and talks to its own service; log text can bring in nothing. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Serves the files of a folder; which requests get there is up to `server.ts`. */
export function consolePage(folder: string) {
  return {
    plugin: fastifyStatic,
    options: {
      root: folder,
      serve: false,
      index: false,
      dotfiles: "deny",
      cacheControl: false,
      // Beside each file the build puts it in compressed form.
      preCompressed: true,
    },
    headers: { "content-security-policy": CONTENT_SECURITY_POLICY, "cache-control": "no-cache" },
  } as const;
}
