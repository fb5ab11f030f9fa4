import Type, { type Static } from "typebox";
import type { JetStreamStoreOptions } from "../service/store/jetstream/jetstream-store.ts";
import type { NatsEngineOptions } from "../service/store/jetstream/nats-engine.ts";
import { secretIn } from "./secret-file.ts";
import type { SettingsFile } from "./settings-file.ts";
import { TLS_PROPERTIES, tlsOf } from "./tls-settings.ts";

const Text = Type.String({ minLength: 1 });

/** How the store's cluster is used; where it is, the setting `store` says. */
export const ClusterSchema = Type.Object(
  {
    user: Type.Optional(Text),
    passwordFile: Type.Optional(Text),
    credentialsFile: Type.Optional(Text),
    ...TLS_PROPERTIES,
    replicas: Type.Optional(Type.Union([Type.Literal(1), Type.Literal(3), Type.Literal(5)])),
    prefix: Type.Optional(Text),
  },
  { additionalProperties: false },
);

/** A store that is on a cluster. */
export interface ClusterSetting {
  readonly engine: NatsEngineOptions;
  readonly prefix: JetStreamStoreOptions["prefix"];
  /** As it may be shown. */
  readonly shown: string;
}

const REPLICAS_DEFAULT = 3;
const PREFIX_DEFAULT = "boardlog";
/** Streams and subjects begin so. */
const PREFIX = /^[0-9A-Za-z-]{1,32}$/;
const SERVER = /^(?:\[[0-9a-fA-F:]+\]|[^\s:/@,[\]]+)(?::[0-9]{1,5})?$/;
const FORM = "nats://host1:4222,host2,host3 (tls:// for TLS)";

/** Reads `store` and `cluster`. Undefined where the store is the embedded one. @throws UserError */
export async function clusterOf(
  store: string | undefined,
  cluster: Static<typeof ClusterSchema> | undefined,
  wrong: SettingsFile<unknown>["wrong"],
): Promise<ClusterSetting | undefined> {
  if (store === undefined) {
    if (cluster !== undefined) throw wrong(["cluster"], `needs store, as ${FORM}`);
    return undefined;
  }
  const [, scheme = "", rest = ""] = /^(nats|tls):\/\/(.+)$/.exec(store) ?? [];
  const servers = rest.split(",").map((server) => server.replace(/^(?:nats|tls):\/\//, ""));
  if (rest.includes("@")) throw wrong(["store"], "names no user: cluster.user and cluster.passwordFile do");
  if (scheme === "" || !servers.every((server) => SERVER.test(server)))
    throw wrong(["store"], `must be ${FORM}; leave it out for the store in the data folder`);
  const { user, passwordFile, credentialsFile, replicas, prefix = PREFIX_DEFAULT, ...files } = cluster ?? {};
  if (!PREFIX.test(prefix)) throw wrong(["cluster", "prefix"], "must be 1 to 32 letters, digits or dashes");
  if ((user === undefined) !== (passwordFile === undefined))
    throw wrong(["cluster"], "user and passwordFile go together");
  const secret = (name: string, file: string): Promise<string> =>
    secretIn(file, (text) => wrong(["cluster", name], text));
  const tls = await tlsOf(files, ["cluster"], wrong, {
    isTls: scheme === "tls",
    form: "tls://...",
    urlAt: ["store"],
  });
  return {
    engine: {
      servers: servers.map((server) => `${scheme}://${server}`),
      replicas: replicas ?? REPLICAS_DEFAULT,
      ...(user !== undefined &&
        passwordFile !== undefined && { user, password: await secret("passwordFile", passwordFile) }),
      ...(credentialsFile !== undefined && {
        credentials: await secret("credentialsFile", credentialsFile),
      }),
      ...(tls !== undefined && { tls }),
    },
    prefix,
    shown: `${scheme}://${servers.join(",")}`,
  };
}
