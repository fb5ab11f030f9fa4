import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate authority of its own, good for a day, and what it signs. */
export class Certificates {
  readonly folder = mkdtempSync(join(tmpdir(), "boardlog-certificates-"));
  readonly #openssl: string;

  /** @param openssl its path, as `requires("openssl")` found it. */
  constructor(openssl: string) {
    this.#openssl = openssl;
    this.#run(
      "req",
      "-x509",
      "-subj",
      "/CN=Test CA",
      ...this.#newKey("ca"),
      "-days",
      "1",
      "-out",
      this.path("ca.crt"),
    );
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  text(name: string): string {
    return readFileSync(this.path(name), "utf8");
  }

  /** Makes NAME.crt and NAME.key, good for 127.0.0.1 and localhost. */
  sign(name: string): void {
    this.#run(
      "req",
      "-subj",
      `/CN=${name}`,
      ...this.#newKey(name),
      "-out",
      this.path(`${name}.csr`),
      "-addext",
      "subjectAltName=IP:127.0.0.1,DNS:localhost",
    );
    this.#run(
      "x509",
      "-req",
      "-in",
      this.path(`${name}.csr`),
      "-CA",
      this.path("ca.crt"),
      "-CAkey",
      this.path("ca.key"),
      "-CAcreateserial",
      "-days",
      "1",
      "-copy_extensions",
      "copy",
      "-out",
      this.path(`${name}.crt`),
    );
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true });
  }

  #newKey(name: string): readonly string[] {
    return [
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:prime256v1",
      "-nodes",
      "-keyout",
      this.path(`${name}.key`),
    ];
  }

  #run(...args: readonly string[]): void {
    execFileSync(this.#openssl, args, { stdio: "ignore" });
  }
}
