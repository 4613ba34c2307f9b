/** `--security-opt`. */

export interface SecurityOptions {
  noNewPrivileges: boolean;
  writableCgroups?: boolean;
  /** A profile's name, or `unconfined`. */
  apparmor?: string;
  /** `unconfined`, `builtin`, or the profile's JSON: the client reads the file. */
  seccomp?: string;
  labels: string[];
}

const TRUE = new Set(["1", "t", "T", "TRUE", "true", "True"]);
const FALSE = new Set(["0", "f", "F", "FALSE", "false", "False"]);

/** @throws Error `invalid --security-opt 2: "…"`; the numbers are Docker's */
export function parseSecurityOpt(options: readonly string[] | null): SecurityOptions {
  const out: SecurityOptions = { noNewPrivileges: false, labels: [] };
  for (const option of options ?? []) {
    if (option === "no-new-privileges") out.noNewPrivileges = true;
    else if (option === "writable-cgroups") out.writableCgroups = true;
    else if (option === "disable") out.labels.push("disable");
    else parsePair(option, out);
  }
  return out;
}

/** An AppArmor profile of its own. */
export const asksForProfile = ({ apparmor = "" }: SecurityOptions): boolean =>
  apparmor !== "" && apparmor !== "unconfined";

/** An SELinux label of its own. */
export const asksForLabel = ({ labels }: SecurityOptions): boolean =>
  labels.some((label) => label !== "disable");

function parsePair(option: string, out: SecurityOptions): void {
  const separator = option.includes("=") ? "=" : ":";
  const at = option.indexOf(separator);
  if (at < 0) throw new Error(`invalid --security-opt 1: ${JSON.stringify(option)}`);
  const value = option.slice(at + 1);
  const invalid = new Error(`invalid --security-opt 2: ${JSON.stringify(option)}`);
  const boolean = (): boolean => {
    if (TRUE.has(value)) return true;
    if (FALSE.has(value)) return false;
    throw invalid;
  };
  switch (option.slice(0, at)) {
    case "label":
      out.labels.push(value);
      return;
    case "apparmor":
      out.apparmor = value;
      return;
    case "seccomp":
      out.seccomp = value;
      return;
    case "no-new-privileges":
      out.noNewPrivileges = boolean();
      return;
    case "writable-cgroups":
      out.writableCgroups = boolean();
      return;
    default:
      throw invalid;
  }
}
