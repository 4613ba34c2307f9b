/**
 * The table of verbs: how each is called, in plain and in management form, and where it lives. Every command evaluates it,
 * before anything is compiled: so it is plain data, and what is computed of it is computed for those who ask. `run` comes
 * along with it: it has the least time of all, and its modules, loaded apart, take 0.6 ms more.
 */

import { command as run } from "../run.ts";
import type { Command } from "./command.ts";
import type { RootHelp } from "./help.ts";

interface Verb {
  readonly short: string;
  readonly load: () => Promise<{ command: Command }>;
  /** Shown first on the root's help screen. */
  readonly common: boolean;
}

const verb = (short: string, load: Verb["load"], common = false): Verb => ({ short, load, common });

/** Verbs with a space are there in management form only. */
export const VERBS: Readonly<Record<string, Verb>> = {
  run: verb("Create and run a new container from an image", async () => ({ command: run }), true),
  exec: verb("Run a command in a running container", () => import("../exec.ts"), true),
  ps: verb("List containers", () => import("../ps.ts"), true),
  pull: verb("Download an image from a registry", () => import("../pull.ts"), true),
  images: verb("List images", () => import("../images.ts"), true),
  version: verb("Show the version of client and daemon", () => import("../version.ts"), true),
  info: verb("Show information about the daemon and its machine", () => import("../info.ts"), true),
  attach: verb("Attach this terminal to a running container", () => import("../attach.ts")),
  cp: verb("Copy files between a container and this machine", () => import("../cp.ts")),
  create: verb("Create a new container", () => import("../create.ts")),
  diff: verb("Show what a container has changed in its file system", () => import("../diff.ts")),
  events: verb("Follow the daemon's events", () => import("../events.ts")),
  export: verb("Write a container's file system as a tar archive", () => import("../export.ts")),
  history: verb("Show the history of an image", () => import("../history.ts")),
  import: verb("Make an image of the files in a tar archive", () => import("../import.ts")),
  inspect: verb("Show everything known about containers and images", () => import("../inspect.ts")),
  kill: verb("Kill one or more running containers", () => import("../kill.ts")),
  load: verb("Load images from a tar archive or STDIN", () => import("../load.ts")),
  login: verb("Log in to a registry", () => import("../login.ts")),
  logout: verb("Log out of a registry", () => import("../logout.ts")),
  logs: verb("Show the logs of a container", () => import("../logs.ts")),
  pause: verb("Pause all processes of one or more containers", () => import("../pause.ts")),
  port: verb("List port mappings of a container", () => import("../port.ts")),
  push: verb("Upload an image to a registry", () => import("../push.ts")),
  rename: verb("Rename a container", () => import("../rename.ts")),
  restart: verb("Restart one or more containers", () => import("../restart.ts")),
  rm: verb("Remove one or more containers", () => import("../rm.ts")),
  rmi: verb("Remove one or more images", () => import("../rmi.ts")),
  save: verb("Save images to a tar archive (to STDOUT unless told)", () => import("../save.ts")),
  start: verb("Start one or more stopped containers", () => import("../start.ts")),
  stats: verb("Show what containers use, as it changes", () => import("../stats.ts")),
  stop: verb("Stop one or more running containers", () => import("../stop.ts")),
  tag: verb("Give an image another name", () => import("../tag.ts")),
  top: verb("Show the processes of a container", () => import("../top.ts")),
  unpause: verb("Unpause all processes of one or more containers", () => import("../unpause.ts")),
  update: verb("Change the limits of one or more containers", () => import("../update.ts")),
  wait: verb("Wait until containers stop, then print their exit codes", () => import("../wait.ts")),
  "container inspect": verb(
    "Show everything known about containers",
    () => import("../container/inspect.ts"),
  ),
  "container prune": verb("Remove all stopped containers", () => import("../container/prune.ts")),
  "image inspect": verb("Show everything known about images", () => import("../image/inspect.ts")),
  "image prune": verb("Remove unused images", () => import("../image/prune.ts")),
  "network connect": verb("Connect a container to a network", () => import("../network/connect.ts")),
  "network create": verb("Create a network", () => import("../network/create.ts")),
  "network disconnect": verb(
    "Disconnect a container from a network",
    () => import("../network/disconnect.ts"),
  ),
  "network inspect": verb("Show everything known about networks", () => import("../network/inspect.ts")),
  "network ls": verb("List networks", () => import("../network/ls.ts")),
  "network prune": verb("Remove all unused networks", () => import("../network/prune.ts")),
  "network rm": verb("Remove one or more networks", () => import("../network/rm.ts")),
  "system df": verb("Show how much disk is used", () => import("../system/df.ts")),
  "system prune": verb("Remove unused data", () => import("../system/prune.ts")),
};

interface Group {
  readonly short: string;
  /** Verbs that are called the same without the group. */
  readonly plain: string;
  /** The others, by the word for each. */
  readonly words: Readonly<Record<string, string>>;
  /** Other words for the same, not listed. */
  readonly aliases: Readonly<Record<string, string>>;
}

export const GROUPS: Readonly<Record<string, Group>> = {
  container: {
    short: "Manage containers",
    plain:
      "attach cp create diff exec export kill logs pause port rename restart rm run start stats stop top unpause update wait",
    words: { ls: "ps", inspect: "container inspect", prune: "container prune" },
    aliases: { list: "ps", ps: "ps", remove: "rm" },
  },
  image: {
    short: "Manage images",
    plain: "history import load pull push save tag",
    words: { ls: "images", rm: "rmi", inspect: "image inspect", prune: "image prune" },
    aliases: { list: "images", remove: "rmi" },
  },
  network: {
    short: "Manage networks",
    plain: "",
    words: {
      connect: "network connect",
      create: "network create",
      disconnect: "network disconnect",
      inspect: "network inspect",
      ls: "network ls",
      prune: "network prune",
      rm: "network rm",
    },
    aliases: { list: "network ls", remove: "network rm" },
  },
  system: {
    short: "Manage the daemon",
    plain: "events info",
    words: { df: "system df", prune: "system prune" },
    aliases: {},
  },
};

const includes = (words: string | undefined, word: string): boolean =>
  word !== "" && words !== undefined && words.split(" ").includes(word);

/** The words of a group that are listed, each with the verb that it is. */
export const wordsOf = ({ plain, words }: Group): [word: string, verb: string][] => [
  ...plain
    .split(" ")
    .filter(Boolean)
    .map((name): [string, string] => [name, name]),
  ...Object.entries(words),
];

/** Docker's words that mean something here only later: saying so is better than not to know them. */
const NOT_YET: Readonly<Record<string, string>> = {
  "": "build builder buildx checkpoint commit compose config context manifest node plugin search secret service stack swarm trust volume",
  container: "commit",
  image: "build",
  system: "dial-stdio",
};

/** The words of a command of Docker's that is still to come. */
export function notYet(given: readonly string[]): string | undefined {
  const [first = "", second = ""] = given;
  if (includes(NOT_YET[""], first)) return first;
  return first !== "" && Object.hasOwn(NOT_YET, first) && includes(NOT_YET[first], second)
    ? `${first} ${second}`
    : undefined;
}

export type Resolved = { group: string } | { name: string; path: string; used: number; load: Verb["load"] };

/** The verb that the words name; undefined when there is none. */
export function resolveVerb(words: readonly string[]): Resolved | undefined {
  const [first, second] = words as [string, string?];
  const group = Object.hasOwn(GROUPS, first) ? (GROUPS[first] as Group) : undefined;
  if (!group) {
    const found = Object.hasOwn(VERBS, first) && !first.includes(" ") ? (VERBS[first] as Verb) : undefined;
    return found && { name: first, path: first, used: 1, load: found.load };
  }
  if (second === undefined || second === "--help" || second === "-h" || second === "help")
    return { group: first };
  const other = [group.words, group.aliases].find((table) => Object.hasOwn(table, second));
  const name = other?.[second] ?? (includes(group.plain, second) ? second : undefined);
  if (name === undefined) return undefined;
  return { name, path: `${first} ${second}`, used: 2, load: (VERBS[name] as Verb).load };
}

/** Every way to call a verb, the management forms first. */
export function aliasesOf(name: string): string[] {
  const paths: string[] = [];
  for (const [first, group] of Object.entries(GROUPS)) {
    for (const [word, target] of [...wordsOf(group), ...Object.entries(group.aliases)])
      if (target === name) paths.push(`${first} ${word}`);
  }
  return name.includes(" ") ? paths : [...paths, name];
}

/** First words that are no verbs of the API's. */
export const OTHER_WORDS: Readonly<Record<string, string>> = {
  daemon: "Run the container engine",
  install: "Install this program, its other names and shell completions",
  uninstall: "Undo what tsd install did",
};

export function helpSections(): RootHelp {
  const plain = Object.entries(VERBS).filter(([name]) => !name.includes(" "));
  const entry = ([name, { short }]: [string, Verb]): readonly [string, string] => [name, short];
  return {
    common: plain.filter(([, { common }]) => common).map(entry),
    groups: Object.entries(GROUPS).map(([name, { short }]) => [name, short] as const),
    others: plain
      .filter(([, { common }]) => !common)
      .map(entry)
      .toSorted((a, b) => (a[0] < b[0] ? -1 : 1)),
    programs: Object.entries(OTHER_WORDS),
  };
}
