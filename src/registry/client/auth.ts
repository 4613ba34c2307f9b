/**
 * What a registry asks for with 401, and how it is answered.
 * @source RFC 9110, section 11.6.1; distribution, "Token Authentication Specification"
 */
import { connectionError, errorOf, RegistryError } from "./errors.ts";

export interface Credentials {
  username?: string;
  password?: string;
  /** An OAuth2 refresh token, in place of a password. */
  identitytoken?: string;
  /** A bearer token to use as it is. */
  registrytoken?: string;
}

export interface Challenge {
  /** Lower case. */
  scheme: string;
  parameters: Record<string, string>;
}

/** Parses `Bearer realm="…",service="…", Basic realm="…"`. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  const token = /\s*,?\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/gy;
  for (let match = token.exec(header); match !== null; match = token.exec(header)) {
    const [, word, quoted, plain] = match;
    const value = quoted?.replace(/\\(.)/g, "$1") ?? plain;
    if (value === undefined) challenges.push({ scheme: word!.toLowerCase(), parameters: {} });
    else if (challenges.length > 0) challenges.at(-1)!.parameters[word!.toLowerCase()] = value;
  }
  return challenges;
}

export const basic = ({ username = "", password = "" }: Credentials): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;

export type Ask = (url: string, init: RequestInit) => Promise<Response>;

/**
 * The value of the `Authorization` header that answers a 401.
 * @throws RegistryError unauthorized when there is nothing (more) to answer with
 */
export async function answer(
  challenges: readonly Challenge[],
  scope: string,
  credentials: Credentials | undefined,
  ask: Ask,
): Promise<string> {
  const bearer = challenges.find(({ scheme }) => scheme === "bearer");
  if (bearer !== undefined) return `Bearer ${await requestToken(bearer.parameters, scope, credentials, ask)}`;
  if (challenges.some(({ scheme }) => scheme === "basic")) {
    if (!credentials?.username) throw new RegistryError("unauthorized", "no basic auth credentials");
    return basic(credentials);
  }
  throw new RegistryError("unauthorized", "unauthorized: authentication required");
}

async function requestToken(
  { realm = "", service, scope: wanted }: Record<string, string>,
  scope: string,
  credentials: Credentials | undefined,
  ask: Ask,
): Promise<string> {
  let url: URL;
  try {
    url = new URL(realm);
  } catch {
    throw new RegistryError("invalid", `invalid token server: ${JSON.stringify(realm)}`);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") {
    throw new RegistryError("invalid", `invalid token server: ${JSON.stringify(realm)}`);
  }
  // A scope that the registry itself named is narrower or equal; ours is the fallback.
  const scopes = (wanted ?? scope).split(" ").filter((part) => part !== "");
  const init: RequestInit = { headers: { "User-Agent": "tsd" } };
  if (credentials?.identitytoken) {
    init.method = "POST";
    init.body = new URLSearchParams({
      grant_type: "refresh_token",
      client_id: "tsd",
      refresh_token: credentials.identitytoken,
      scope: scopes.join(" "),
      ...(service !== undefined && { service }),
    });
  } else {
    if (service !== undefined) url.searchParams.set("service", service);
    for (const part of scopes) url.searchParams.append("scope", part);
    if (credentials?.username) {
      url.searchParams.set("account", credentials.username);
      init.headers = { ...init.headers, Authorization: basic(credentials) };
    }
  }
  let response: Response;
  try {
    response = await ask(url.href, init);
  } catch (error) {
    if (error instanceof RegistryError) throw error;
    throw connectionError(init.method ?? "GET", url.href, error);
  }
  if (!response.ok) throw await errorOf(response);
  const body = (await response.json().catch(() => ({}))) as { token?: string; access_token?: string };
  const token = body.token ?? body.access_token;
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw new RegistryError("invalid", "authorization server did not include a token in the response");
  }
  return token;
}
