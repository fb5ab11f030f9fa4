import Type, { type Static } from "typebox";
import {
  type BrokerSetting,
  KEEPALIVE_S_DEFAULT,
  parseBrokerUrl,
  RECEIVE_MAX_DEFAULT,
} from "../gateway/broker-setting.ts";
import { MqttProtocol } from "../gateway/mqtt-connection.ts";
import { BOARD_ROUTES, TopicKind, type TopicRoute } from "../gateway/topic-route.ts";
import { TopicTemplate } from "../gateway/topic-template.ts";
import { secretIn } from "./secret-file.ts";
import type { SettingPath, SettingsFile } from "./settings-file.ts";
import { TLS_PROPERTIES, tlsOf } from "./tls-settings.ts";

const Text = Type.String({ minLength: 1 });
const closed = { additionalProperties: false };

/** A topic that is heard beside or in place of the boards' own; `packaging/gateway.yaml` explains it. */
export const TopicsSchema = Type.Array(
  Type.Object(
    { topic: Text, kind: Type.Enum(Object.values(TopicKind)), answers: Type.Optional(Text) },
    closed,
  ),
);

export const BrokerSchema = Type.Object(
  {
    url: Text,
    protocol: Type.Optional(Type.Union([Type.Literal("3.1.1"), Type.Literal(5), Type.Literal("5")])),
    userName: Type.Optional(Text),
    passwordFile: Type.Optional(Text),
    ...TLS_PROPERTIES,
    keepaliveSeconds: Type.Optional(Type.Integer({ minimum: 5, maximum: 1_200 })),
    receiveMaximum: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
    topics: Type.Optional(TopicsSchema),
  },
  closed,
);

type Wrong = SettingsFile<unknown>["wrong"];

/** @throws UserError */
export async function brokerOf(
  given: string | Static<typeof BrokerSchema>,
  at: SettingPath,
  wrong: Wrong,
): Promise<BrokerSetting> {
  const setting = typeof given === "string" ? { url: given } : given;
  const urlAt = typeof given === "string" ? at : [...at, "url"];
  const target = parseBrokerUrl(setting.url);
  if (!target.ok) throw wrong(urlAt, target.problem.text);
  const { userName, passwordFile } = setting;
  const isTls = target.value.tls !== undefined;
  const tls = await tlsOf(setting, at, wrong, { isTls, form: "mqtts://...", urlAt });
  const readSecret = (name: string, file: string): Promise<string> =>
    secretIn(file, (text) => wrong([...at, name], text));
  const password = passwordFile === undefined ? undefined : await readSecret("passwordFile", passwordFile);
  return {
    target: {
      ...target.value,
      protocol: String(setting.protocol) === "5" ? MqttProtocol.V5 : MqttProtocol.V3_1_1,
      ...(userName !== undefined && { userName }),
      ...(password !== undefined && { password }),
      ...(tls !== undefined && { tls }),
    },
    routes: routesOf(setting.topics, [...at, "topics"], wrong),
    keepaliveS: setting.keepaliveSeconds ?? KEEPALIVE_S_DEFAULT,
    receiveMax: setting.receiveMaximum ?? RECEIVE_MAX_DEFAULT,
  };
}

/** @throws UserError */
export function routesOf(
  topics: Static<typeof TopicsSchema> | undefined,
  at: SettingPath,
  wrong: Wrong,
): readonly TopicRoute[] {
  if (topics === undefined) return BOARD_ROUTES;
  return topics.map(({ topic, kind, answers }, index) => {
    const template = TopicTemplate.parse(topic);
    if (!template.ok) throw wrong([...at, index, "topic"], template.problem.text);
    if (kind !== TopicKind.Frames && !template.value.has("device")) {
      throw wrong([...at, index, "topic"], "must hold <device>, for nothing else says who logs there");
    }
    if (answers === undefined) return { template: template.value, kind };
    if (kind !== TopicKind.Frames) throw wrong([...at, index, "answers"], "only frames are answered");
    const down = TopicTemplate.parse(answers);
    if (!down.ok) throw wrong([...at, index, "answers"], down.problem.text);
    return { template: template.value, kind, answers: down.value };
  });
}
