/**
 * `-u NAME`, `-u UID:GID`, `--group-add`: numbers out of the container's own /etc/passwd and /etc/group, with the
 * rules of moby/sys/user.
 */
import { EngineError } from "../errors.ts";
import type { User } from "../runtime/spec.ts";

export interface ContainerUser extends User {
  /** From /etc/passwd, `/` without an entry: what HOME becomes. */
  home: string;
}

interface Passwd {
  name: string;
  uid: number;
  gid: number;
  home: string;
}

interface Group {
  name: string;
  gid: number;
  members: string[];
}

/** Numbers beyond this are refused: they would turn negative on the way to the kernel. */
const MAX_ID = 2 ** 31 - 1;

function lines(text: string): string[][] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":"));
}

const integer = (text: string | undefined): number => (/^\d+$/.test(text ?? "") ? Number(text) : 0);

const parsePasswd = (text: string): Passwd[] =>
  lines(text).map(([name, , uid, gid, , home]) => ({
    name: name ?? "",
    uid: integer(uid),
    gid: integer(gid),
    home: home ?? "",
  }));

const parseGroup = (text: string): Group[] =>
  lines(text).map(([name, , gid, members]) => ({
    name: name ?? "",
    gid: integer(gid),
    members: (members ?? "").split(",").filter((member) => member !== ""),
  }));

const numeric = (word: string): number | undefined => (/^[+-]?\d+$/.test(word) ? Number(word) : undefined);

function inRange(id: number): number {
  if (id < 0 || id > MAX_ID) throw new EngineError("internal", `uids and gids must be in range 0-${MAX_ID}`);
  return id;
}

/** Reads a file of the container; "" when there is none. */
export type ReadFile = (path: "/etc/passwd" | "/etc/group") => string;

/**
 * @param words `user`, `uid`, `user:group`, …; "" is root
 * @throws EngineError internal `unable to find user nosuch: no matching entries in passwd file`
 */
export function resolveUser(words: string, groupAdd: readonly string[], read: ReadFile): ContainerUser {
  // What follows a second colon is nobody's.
  const [userWord = "", groupWord = ""] = words.split(":");
  const wantedUid = userWord === "" ? 0 : numeric(userWord);
  const found = parsePasswd(read("/etc/passwd")).find(
    (entry) => (userWord !== "" && entry.name === userWord) || entry.uid === wantedUid,
  );
  if (found === undefined && wantedUid === undefined) {
    throw new EngineError("internal", `unable to find user ${userWord}: no matching entries in passwd file`);
  }
  const uid = found?.uid ?? inRange(wantedUid!);
  const home = found?.home || "/";

  const groups =
    groupWord !== "" || found !== undefined || groupAdd.length > 0 ? parseGroup(read("/etc/group")) : [];
  const gidOf = (word: string): number => {
    const number = numeric(word);
    const entry = groups.find((group) => group.name === word || group.gid === number);
    if (entry === undefined && number === undefined) {
      throw new EngineError("internal", `unable to find group ${word}: no matching entries in group file`);
    }
    return entry?.gid ?? inRange(number!);
  };
  const gid = groupWord !== "" ? gidOf(groupWord) : (found?.gid ?? 0);
  const listed =
    groupWord === "" && found
      ? groups.filter((group) => group.members.includes(found.name)).map((g) => g.gid)
      : [];
  const additional = new Set([gid, ...listed, ...groupAdd.map(gidOf)]);
  return { uid, gid, additionalGids: [...additional], home };
}
