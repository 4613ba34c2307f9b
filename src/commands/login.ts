/** `login`: proves to a registry who the user is, and keeps that for later pulls and pushes. */
import { type ApiClient, ApiError, ConnectionError } from "../engine/api/client.ts";
import { isatty } from "./support/builtin.ts";
import type { Command, Context, GlobalOptions } from "./support/command.ts";
import { Failure, messageOf } from "./support/failure.ts";
import { bool, FALSE, type ParsedFlags, string } from "./support/flags.ts";
import { err, out } from "./support/output.ts";
import { ask, askSecretly } from "./support/prompt.ts";
import { type Account, HUB } from "./support/registry/account.ts";
import { hostnameOf } from "./support/registry/config-auths.ts";
import { load, store } from "./support/registry/credentials.ts";

const REGISTER =
  "Log in with your Docker ID or email address to push and pull images from Docker Hub. " +
  "If you don't have a Docker ID, head over to https://hub.docker.com/ to create one.\n";
const TOKENS =
  "You can log in with your password or a Personal Access Token (PAT). Using a limited-scope PAT grants better " +
  "security and is required for organizations using SSO. Learn more at https://docs.docker.com/go/access-tokens/\n\n";

export const command: Command = {
  use: "[OPTIONS] [SERVER]",
  short: "Log in to a registry",
  long: "Log in to a registry: Docker Hub, unless another one is named.",
  arity: { max: 1 },
  flags: [
    string("password", "p", "Password or Personal Access Token (PAT)"),
    bool("password-stdin", undefined, "Take the password or Personal Access Token (PAT) from stdin"),
    string("username", "u", "Username"),
  ],
  async run({ args, flags, global, client }: Context) {
    const given = await givenAccount(flags);
    const isHub = !args[0] || args[0] === "docker.io";
    const server = isHub ? HUB : hostnameOf(args[0] as string);
    let known: Account | undefined;
    if (!given.username && !given.password) {
      known = await load(global, server).catch(() => undefined);
      if (known?.username && known.password && (await loginAgain(await client(), global, server, known)))
        return;
    }
    if (!(given.username && given.password) && !isatty(0))
      throw new Failure("Error: Cannot perform an interactive login from a non TTY device");
    const username = given.username.trim() || (await askUsername(server, known?.username?.trim() ?? ""));
    const password = given.password.trim() || (await askPassword(server));
    const account = { username, password };
    const token = await authenticate(await client(), server, account).catch((error: unknown) => {
      if (error instanceof ConnectionError) return authenticateHere(server, account);
      throw error;
    });
    await keep(global, server, account, token);
  },
};

/** What the flags say; empty where they say nothing. */
async function givenAccount(flags: ParsedFlags): Promise<{ username: string; password: string }> {
  const username = flags.string("username");
  const password = flags.string("password");
  if (flags.bool("password-stdin")) {
    if (flags.has("password"))
      throw new Failure("conflicting options: cannot specify both --password and --password-stdin");
    if (!flags.has("username"))
      throw new Failure("the --password-stdin option requires --username to be set");
  }
  if (flags.has("username") && username === "") throw new Failure("username is empty");
  if (flags.has("password") && password === "") throw new Failure("password is empty");
  if (password !== "") err("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n");
  if (!flags.bool("password-stdin")) return { username, password };
  return { username, password: (await Bun.stdin.text()).replace(/\n$/, "").replace(/\r$/, "") };
}

/** With what is known from the last time; false when the registry does not take it any more. */
async function loginAgain(
  api: ApiClient,
  global: GlobalOptions,
  server: string,
  account: Account,
): Promise<boolean> {
  err(`Authenticating with existing credentials... [Username: ${account.username}]\n`);
  note(["To login with a different account, run 'docker logout' followed by 'docker login'"]);
  err("\n\n");
  let token: string | undefined;
  try {
    token = await authenticate(api, server, account);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) err("Stored credentials invalid or expired\n");
    else err(`Login did not succeed, error: ${messageOf(error)}\n`);
    return false;
  }
  await keep(global, server, account, token);
  return true;
}

/** The daemon asks the registry. Gives the token that is to be kept in place of the password, if there is one. */
async function authenticate(api: ApiClient, server: string, account: Account): Promise<string | undefined> {
  const answer = await api.request("POST", "/auth", { body: { ...account, serveraddress: server } });
  return ((await answer.body.json()) as { IdentityToken?: string }).IdentityToken || undefined;
}

/** Without a daemon the registry is asked from here. */
async function authenticateHere(server: string, account: Account): Promise<undefined> {
  const { login } = await import("../registry/client/login.ts");
  try {
    await login(server, account, {});
  } catch (error) {
    throw new Failure(messageOf(error));
  }
}

async function keep(
  global: GlobalOptions,
  server: string,
  { username = "", password = "" }: Account,
  token: string | undefined,
): Promise<void> {
  try {
    await store(global, server, token ? { username, identitytoken: token } : { username, password });
  } catch (error) {
    throw new Failure(`Error saving credentials: ${messageOf(error)}`);
  }
  out("Login Succeeded\n");
}

async function askUsername(server: string, known: string): Promise<string> {
  if (server === HUB) {
    out(REGISTER);
    if (!FALSE.includes(process.env.DOCKER_CLI_HINTS ?? "")) out(TOKENS);
  }
  const username = (await ask(known === "" ? "Username: " : `Username (${known}): `)) || known;
  if (username === "") throw new Failure("Error: Non-null Username Required");
  return username;
}

async function askPassword(server: string): Promise<string> {
  if (server === HUB) {
    const settings = "https://app.docker.com/settings";
    const shown = isatty(2) ? `\x1b[4m${settings}\x1b[0m` : settings;
    note(["A Personal Access Token (PAT) can be used instead.", `To create a PAT, visit ${shown}`, "", ""]);
  }
  const password = await askSecretly("Password: ");
  if (password === "") throw new Failure("Error: Password Required");
  return password;
}

/** A remark, its lines below each other. */
function note(lines: readonly string[]): void {
  const fancy = isatty(2);
  const head = fancy ? "\x1b[1m\x1b[106m\x1b[30mi\x1b[0m\x1b[0m \x1b[96mInfo → \x1b[0m\x1b[0m" : " Info -> ";
  const text = lines.map((line) => (fancy ? `\x1b[3m${line}\x1b[0m` : line)).join(`\n${" ".repeat(9)}`);
  err(`\n${head}${text}\n`);
}
