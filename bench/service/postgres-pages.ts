/*
 * The peer: what one would run instead of a log service. Pages of entries over HTTP out of PostgreSQL: fastify, pg, a prepared
 * statement, rows as JSON. It asks for no key and checks no argument.
 * node postgres-pages --pg FOLDER --host FOLDER --user NAME --connections N
 */
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { fastify } from "fastify";

/** As far as this program uses the package `pg`. */
interface Pg {
  readonly types: { setTypeParser(oid: number, parse: (text: string) => unknown): void };
  readonly Pool: new (options: {
    readonly host: string;
    readonly user: string;
    readonly database: string;
    readonly max: number;
  }) => {
    query(statement: {
      readonly name: string;
      readonly text: string;
      readonly values: readonly unknown[];
    }): Promise<{ readonly rows: readonly object[] }>;
  };
}

/** The type `bigint`: ids and times, which a double holds. */
const OID_INT8 = 20;
const PAGE = "SELECT * FROM entry WHERE src = $1 AND id > $2 ORDER BY id LIMIT $3";

const { values } = parseArgs({
  options: {
    pg: { type: "string", default: "" },
    host: { type: "string", default: "" },
    user: { type: "string", default: "" },
    connections: { type: "string", default: "1" },
  },
});
const { types, Pool } = createRequire(import.meta.url)(values.pg) as Pg;
types.setTypeParser(OID_INT8, Number);
const pool = new Pool({
  host: values.host,
  user: values.user,
  database: "postgres",
  max: Number(values.connections),
});
const app = fastify();
app.get("/entries", async (request) => {
  const { src, after, limit } = request.query as Readonly<Record<string, string>>;
  const { rows } = await pool.query({ name: "page", text: PAGE, values: [src, after, limit] });
  return { entries: rows };
});
await app.listen({ host: "127.0.0.1", port: 0 });
const address = app.server.address();
console.log(JSON.stringify({ port: typeof address === "object" ? address?.port : undefined }));
