/** What stands in the place of a secret. */
export const REDACTED = "[redacted]";

/** Names of fields, headers and query parameters whose value is a secret. */
const SECRET_NAME =
  /^(?:key|api-?key|x-api-key|authorization|proxy-authorization|cookie|jwt|token|password|secret)$/i;
/** `name=value` as in a query string, up to the next separator. */
const SECRET_PAIR = /\b((?:x-)?api-?key|key|jwt|token|password|secret)=[^&\s"'#]+/gi;
const BEARER = /\b(Bearer|Basic)\s+[\w.~+/=-]+/gi;
/** Our own keys, wherever they turn up (`service/auth/key-store.ts`). */
const OWN_KEY = /\bblk_[0-9a-z]{8}_[\w-]{10,}/g;
/** Signed tokens: base64url of `{"`, three parts. */
const SIGNED_TOKEN = /\beyJ[\w-]+\.[\w-]+\.[\w-]*/g;
/** Password of a URL (`mqtt://user:password@host`). */
const URL_PASSWORD = /(\/\/[^/\s:@]*:)[^/\s@]+@/g;
/** Text without any of these holds none of the above. Most has none, and takes a fifteenth of the time: floods are refused in words. */
const SECRET_SIGN = /[=@]|blk_|eyJ|bearer|basic/i;

/** Deeper fields of a log line are left out: a line is for reading. */
const DEPTH_MAX = 6;

/** `text` without what looks like a secret. */
export function redactText(text: string): string {
  if (!SECRET_SIGN.test(text)) return text;
  const named = text.replace(SECRET_PAIR, `$1=${REDACTED}`).replace(BEARER, `$1 ${REDACTED}`);
  return redactKeys(named).replace(URL_PASSWORD, `$1${REDACTED}@`);
}

/** `text` without our own keys and tokens, for words that may show the form of a password (`mqtt://user:password@host`). */
export function redactKeys(text: string): string {
  return text.replace(OWN_KEY, REDACTED).replace(SIGNED_TOKEN, REDACTED);
}

/** A copy of `value` to be logged: secrets replaced, errors as plain objects, depth bounded. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === "string") return redactText(value);
  if (typeof value !== "object" || value === null) return value;
  if (depth >= DEPTH_MAX) return "[deeper]";
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof URL) return redactText(value.href);
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  const fields = Object.entries(value).map(([name, field]) => [
    name,
    SECRET_NAME.test(name) ? REDACTED : redact(field, depth + 1),
  ]);
  return Object.fromEntries(fields);
}

function redactError(error: Error, depth: number): object {
  return {
    type: error.name,
    message: redactText(error.message),
    ...("code" in error && { code: error.code }),
    ...(error.stack !== undefined && { stack: redactText(error.stack) }),
    ...(error.cause !== undefined && { cause: redact(error.cause, depth + 1) }),
  };
}
