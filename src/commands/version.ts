/** `version`: what this client and the daemon are. */
import { NEWEST } from "../engine/api/client.ts";
import { VERSION } from "../engine/version.ts";
import type { Command } from "./support/command.ts";
import { contextName } from "./support/connect.ts";
import { Failure, messageOf } from "./support/failure.ts";
import { string } from "./support/flags.ts";
import { out } from "./support/output.ts";
import { align } from "./support/table.ts";
import { ansiTime } from "./support/time.ts";

interface Server {
  Platform?: { Name: string };
  Components?: { Name: string; Version: string; Details?: Record<string, string> }[];
  Version: string;
  ApiVersion: string;
  MinAPIVersion?: string;
  GitCommit: string;
  GoVersion: string;
  Os: string;
  Arch: string;
  KernelVersion?: string;
  Experimental?: boolean;
  BuildTime?: string;
}

/** The processor's name as Docker's users know it. */
export const goArch = (): string => ({ x64: "amd64" })[process.arch as "x64"] ?? process.arch;

/** A build's time reads like a log's; one that is no time is shown as it is. */
const built = (text: string | undefined): string =>
  text && !Number.isNaN(Date.parse(text)) ? ansiTime(text) : (text ?? "");

const line = (indent: number, name: string, value: string): string =>
  `${" ".repeat(indent)}${`${name}:`.padEnd(20 - indent)}${value}\n`;

export const command: Command = {
  use: "[OPTIONS]",
  short: "Show the version of client and daemon",
  arity: { exact: 0 },
  flags: [string("format", "f", "Shape the output: 'json', or a Go template")],
  async run({ flags, client, global }) {
    let server: Server | undefined;
    let problem: unknown;
    let api = NEWEST;
    try {
      const daemon = await client();
      api = await daemon.version();
      server = await daemon.json<Server>("GET", "/version");
    } catch (error) {
      problem = error;
    }
    const Client = {
      Version: VERSION,
      ApiVersion: api,
      DefaultAPIVersion: NEWEST,
      GitCommit: "",
      GoVersion: `bun${Bun.version}`,
      Os: process.platform,
      Arch: goArch(),
      Context: contextName(global),
    };
    const format = flags.string("format");
    try {
      if (format === "") out(text(Client, server));
      else {
        const { printOne } = await import("./support/one.ts");
        printOne(format, { Client, Server: server ?? null }, "system.versionInfo", "version");
      }
    } catch (error) {
      // A template that fails for want of a daemon: the daemon is what to complain about.
      problem ??= error;
    }
    if (problem) throw problem instanceof Failure ? problem : new Failure(messageOf(problem));
  },
};

function text(client: Record<string, string>, server: Server | undefined): string {
  const downgraded =
    client.ApiVersion === client.DefaultAPIVersion ? "" : ` (downgraded from ${client.DefaultAPIVersion})`;
  let result = "Client:\n";
  const shown = [
    ["Version", client.Version],
    ["API version", `${client.ApiVersion}${downgraded}`],
    ["Go version", client.GoVersion],
    ["Git commit", client.GitCommit],
    ["Built", ""],
    ["OS/Arch", `${client.Os}/${client.Arch}`],
    ["Context", client.Context],
  ];
  for (const [name, value] of shown) result += line(1, name as string, value as string);
  if (!server) return result;
  result += `\nServer:${server.Platform?.Name ? ` ${server.Platform.Name}` : ""}\n`;
  const engine = {
    ApiVersion: server.ApiVersion,
    MinAPIVersion: server.MinAPIVersion ?? "",
    GoVersion: server.GoVersion,
    GitCommit: server.GitCommit,
  };
  const components = server.Components ?? [
    { Name: "Engine", Version: server.Version, Details: { ...engine, Os: server.Os, Arch: server.Arch } },
  ];
  for (const { Name, Version, Details = {} } of components) {
    result += ` ${Name}:\n${line(2, "Version", Version)}`;
    if (Details.ApiVersion) {
      result += line(2, "API version", `${Details.ApiVersion} (minimum version ${Details.MinAPIVersion})`);
      result +=
        line(2, "Go version", Details.GoVersion ?? "") + line(2, "Git commit", Details.GitCommit ?? "");
      result +=
        line(2, "Built", built(Details.BuildTime)) + line(2, "OS/Arch", `${Details.Os}/${Details.Arch}`);
      result += line(2, "Experimental", Details.Experimental ?? "false");
    } else for (const [name, value] of Object.entries(Details)) result += line(2, name, value);
  }
  return align(result);
}
