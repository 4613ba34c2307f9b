/** The programs `docker-credential-NAME`, which keep passwords in a safe place. @source docker-credential-helpers */
import type { ConfigFile } from "../connect.ts";
import type { Account } from "./account.ts";

/** A helper has only a name and a secret; by this name the secret is a token. */
const TOKEN = "<token>";
const NOT_FOUND = "credentials not found in native keychain";

/** Which helper keeps what belongs to a registry; undefined when it is the configuration file. */
export function helperFor(config: ConfigFile, server: string): string | undefined {
  const own = config.credHelpers && Object.hasOwn(config.credHelpers, server);
  return (own ? config.credHelpers?.[server] : storeOf(config)) || undefined;
}

/** Where nothing says where passwords go, a helper that is installed is used. */
export function storeOf(config: ConfigFile): string | undefined {
  const { credsStore, credHelpers = {}, auths = {} } = config;
  if (credsStore || Object.keys(credHelpers).length > 0 || Object.keys(auths).length > 0) return credsStore;
  const usual = Bun.which("pass") ? "pass" : "secretservice";
  return Bun.which(`docker-credential-${usual}`) ? usual : undefined;
}

/** Runs a helper; what it says on standard error is for the user. @throws Error when it fails */
async function ask(helper: string, action: "get" | "store" | "erase", input: string): Promise<string> {
  const program = `docker-credential-${helper}`;
  const doing = { get: "getting", store: "storing", erase: "erasing" }[action];
  const failed = (reason: string, output: string) =>
    new HelperError(`error ${doing} credentials - err: ${reason}, out: \`${output.trim()}\``, output.trim());
  if (Bun.which(program) === null)
    throw failed(`exec: ${JSON.stringify(program)}: executable file not found in $PATH`, "");
  const child = Bun.spawn([program, action], {
    stdin: new TextEncoder().encode(input),
    stdout: "pipe",
    stderr: "inherit",
  });
  const text = await new Response(child.stdout).text();
  await child.exited;
  if (child.exitCode === 0) return text;
  throw failed(child.signalCode ? `signal: ${child.signalCode}` : `exit status ${child.exitCode}`, text);
}

class HelperError extends Error {
  override readonly name = "HelperError";
  /** What the helper printed. */
  readonly output: string;

  constructor(message: string, output: string) {
    super(message);
    this.output = output;
  }
}

/** Undefined when the helper knows nobody. */
export async function getAccount(helper: string, server: string): Promise<Account | undefined> {
  let text: string;
  try {
    text = await ask(helper, "get", server);
  } catch (error) {
    if (error instanceof HelperError && error.output === NOT_FOUND) return undefined;
    throw error;
  }
  const { Username = "", Secret = "" } = JSON.parse(text) as { Username?: string; Secret?: string };
  return Username === TOKEN ? { identitytoken: Secret } : { username: Username, password: Secret };
}

export async function storeAccount(helper: string, server: string, account: Account): Promise<void> {
  const { username = "", password = "", identitytoken } = account;
  const [Username, Secret] = identitytoken ? [TOKEN, identitytoken] : [username, password];
  await ask(helper, "store", `${JSON.stringify({ ServerURL: server, Username, Secret })}\n`);
}

export const eraseAccount = async (helper: string, server: string): Promise<void> =>
  void (await ask(helper, "erase", server));
