/** The `X-Registry-Auth` header. @source Engine API, section Authentication */
import type { RegistryAuth } from "../image/types.ts";

/** What cannot be decoded is no credentials: Docker pulls anonymously then. */
export function decodeRegistryAuth(header: string | null): RegistryAuth | undefined {
  if (!header) return undefined;
  try {
    const decoded: unknown = JSON.parse(Buffer.from(header, "base64url").toString());
    if (typeof decoded !== "object" || decoded === null) return undefined;
    const { username, password, identitytoken, registrytoken, serveraddress } = decoded as Record<
      string,
      unknown
    >;
    const auth = { username, password, identitytoken, registrytoken, serveraddress };
    const words = Object.entries(auth).filter(([, word]) => typeof word === "string" && word !== "");
    return words.length > 0 ? (Object.fromEntries(words) as RegistryAuth) : undefined;
  } catch {
    return undefined;
  }
}
