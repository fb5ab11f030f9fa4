import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import Type from "typebox";
import type { TlsTrust } from "../gateway/tls-trust.ts";
import { secretIn } from "./secret-file.ts";
import type { SettingPath, SettingsFile } from "./settings-file.ts";

const Text = Type.String({ minLength: 1 });

/** Settings of whatever speaks TLS to others: PEM files. */
export const TLS_PROPERTIES = {
  caFile: Type.Optional(Text),
  certFile: Type.Optional(Text),
  certKeyFile: Type.Optional(Text),
};

interface TlsFiles {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly certKeyFile?: string;
}

/**
 * Reads the files and tries them, so that what is wrong is said with its setting and not at the first connection.
 * @param isTls whether the address is one for TLS; the files are of no use without. `form` is how such an address looks.
 * @throws UserError
 */
export async function tlsOf(
  { caFile, certFile, certKeyFile }: TlsFiles,
  at: SettingPath,
  wrong: SettingsFile<unknown>["wrong"],
  { isTls, form, urlAt = [...at, "url"] }: { isTls: boolean; form: string; urlAt?: SettingPath },
): Promise<TlsTrust | undefined> {
  if (!isTls) {
    if ((caFile ?? certFile ?? certKeyFile) === undefined) return undefined;
    throw wrong(urlAt, `must be ${form} where there are certificates`);
  }
  if ((certFile === undefined) !== (certKeyFile === undefined)) {
    throw wrong(at, "certFile and certKeyFile: a client certificate needs both");
  }
  const pem = async (name: string, file: string): Promise<string> =>
    readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
      throw wrong([...at, name], `cannot read ${file}: ${error.code}`);
    });
  const ca = caFile === undefined ? undefined : await pem("caFile", caFile);
  if (ca !== undefined && !isCertificates(ca))
    throw wrong([...at, "caFile"], `${caFile} holds no good certificate in PEM form`);
  if (certFile === undefined || certKeyFile === undefined) return ca === undefined ? {} : { ca };
  const cert = await pem("certFile", certFile);
  const key = await secretIn(certKeyFile, (text) => wrong([...at, "certKeyFile"], text));
  const problem = pairProblem({ cert, key });
  if (problem?.of === "cert") throw wrong([...at, "certFile"], `${certFile} ${problem.text}`);
  if (problem?.of === "key") throw wrong([...at, "certKeyFile"], `${certKeyFile} ${problem.text}`);
  return { cert, key, ...(ca !== undefined && { ca }) };
}

/** What is wrong with a certificate and its key, if anything, to be said behind the name of the file. */
export function pairProblem({
  cert,
  key,
}: {
  readonly cert: string;
  readonly key: string;
}): { readonly of: "cert" | "key"; readonly text: string } | undefined {
  if (!isCertificates(cert)) return { of: "cert", text: "holds no good certificate in PEM form" };
  try {
    createSecureContext({ cert, key });
    return undefined;
  } catch (error) {
    return { of: "key", text: keyReason(error as NodeJS.ErrnoException) };
  }
}

/** Node takes an authority that is none without a word, and trusts nobody then. */
function isCertificates(text: string): boolean {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const block of blocks) new X509Certificate(block);
  } catch {
    return false;
  }
  return blocks.length > 0;
}

/** OpenSSL's words are for those who know its sources. */
function keyReason({ code, message }: NodeJS.ErrnoException): string {
  if (code === "ERR_OSSL_X509_KEY_VALUES_MISMATCH") return "is not the key of the certificate";
  if (code === "ERR_OSSL_BAD_DECRYPT") return "is protected by a password; a service needs a key without";
  return `holds no key in PEM form (${message})`;
}
