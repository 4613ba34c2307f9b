/** Shell completions, made from the command line's own table of verbs and flags. */
import { aliasesOf, GROUPS, OTHER_WORDS, VERBS } from "../support/verbs.ts";

interface Word {
  /** `run`, or `container prune`. */
  path: string;
  short: string;
  flags: { name: string; short?: string; usage: string; bool: boolean }[];
  operands: readonly Operand[];
}

/** What is named there. */
type Operand = "container" | "image" | "network" | "file" | "nothing";

/** What says the names. */
const NAMES = {
  container: "ps -a --format '{{.Names}}'",
  image: "images --format '{{.Repository}}:{{.Tag}}'",
  network: "network ls --format '{{.Name}}'",
} as const;

/** By verb; the last goes on. */
const OPERANDS: Readonly<Record<string, readonly Operand[]>> = {
  ...Object.fromEntries(
    [
      ...[
        "attach",
        "cp",
        "diff",
        "exec",
        "export",
        "inspect",
        "kill",
        "logs",
        "pause",
        "port",
        "rename",
        "restart",
      ],
      ...["rm", "start", "stats", "stop", "top", "unpause", "update", "wait", "container inspect"],
    ].map((name) => [name, ["container"] as const]),
  ),
  ...Object.fromEntries(
    ["run", "create", "rmi", "tag", "history", "push", "save", "image inspect"].map((name) => [
      name,
      ["image"] as const,
    ]),
  ),
  load: ["file"],
  import: ["file"],
  "network connect": ["network", "container"],
  "network disconnect": ["network", "container"],
  "network inspect": ["network"],
  "network rm": ["network"],
};

async function table(): Promise<Word[]> {
  const words: Word[] = [];
  for (const [name, verb] of Object.entries(VERBS)) {
    const { flags } = (await verb.load()).command;
    const shown = flags.filter((flag) => !flag.hidden);
    const described = shown.map((flag) => ({
      name: flag.name,
      ...(flag.short === undefined ? {} : { short: flag.short }),
      usage: flag.usage,
      bool: flag.type === "bool" || flag.type === "",
    }));
    for (const path of new Set([name, ...aliasesOf(name)]))
      words.push({ path, short: verb.short, flags: described, operands: OPERANDS[name] ?? ["nothing"] });
  }
  return words.sort((a, b) => (a.path < b.path ? -1 : 1));
}

const OTHERS: Readonly<Record<string, string>> = {
  ...OTHER_WORDS,
  ...Object.fromEntries(Object.keys(GROUPS).map((group) => [group, `Manage ${group}s`])),
};

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const dashed = (word: Word): string =>
  word.flags.flatMap(({ name, short }) => [`--${name}`, ...(short ? [`-${short}`] : [])]).join(" ");

function bash(words: readonly Word[]): string {
  const cases = words
    .map(
      (word) =>
        `    ${quote(word.path)}) flags=${quote(dashed(word))} operands=(${word.operands.join(" ")}) ;;`,
    )
    .join("\n");
  const groups = Object.keys(GROUPS).map((group) => {
    const verbs = words
      .filter(({ path }) => path.startsWith(`${group} `))
      .map(({ path }) => path.split(" ")[1]);
    return `    ${group}) next=${quote(verbs.join(" "))} ;;`;
  });
  const top = [...new Set([...words.map(({ path }) => path.split(" ")[0]!), ...Object.keys(OTHERS)])];
  const names = Object.entries(NAMES).map(([kind, ask]) => `    ${kind}) tsd ${ask} 2>/dev/null ;;`);
  return `# bash completion for tsd
_tsd_names() {
  case $1 in
${names.join("\n")}
  esac
}
_tsd() {
  local cur=\${COMP_WORDS[COMP_CWORD]} path= flags= next= operands=(nothing) kind= word i n=0
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case $word in -*) continue ;; esac
    case $path in
      '' | ${Object.keys(GROUPS).join(" | ")}) path="\${path:+$path }$word" ;;
      *) ((++n)) ;;
    esac
  done
  case $path in
    '') next=${quote(top.join(" "))} ;;
${groups.join("\n")}
${cases}
  esac
  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$flags --help" -- "$cur"))
  elif [[ -n $next ]]; then COMPREPLY=($(compgen -W "$next" -- "$cur"))
  else
    kind=\${operands[n < \${#operands[@]} ? n : \${#operands[@]} - 1]}
    case \${COMP_WORDS[COMP_CWORD - 1]} in
      --network | --net) kind=network ;;
      --link | --volumes-from) kind=container ;;
    esac
    if [[ $kind == file ]]; then COMPREPLY=($(compgen -f -- "$cur"))
    else COMPREPLY=($(compgen -W "$(_tsd_names "$kind")" -- "$cur")); fi
  fi
}
complete -F _tsd tsd
`;
}

function zsh(words: readonly Word[]): string {
  const describe = (text: string) => text.replaceAll(/[:'[\]\\]/g, " ");
  const top = words
    .filter(({ path }) => !path.includes(" "))
    .map(({ path, short }): [string, string] => [path, short])
    .concat(Object.entries(OTHERS))
    .map(([path, short]) => quote(`${path}:${describe(short)}`));
  const cases = words.map(({ path, flags, operands }) => {
    const specs = flags.map(({ name, usage, bool }) => {
      const action = name === "network" ? "_tsd_network" : "";
      return quote(`--${name}${bool ? "" : "="}[${describe(usage)}]${bool ? "" : `:value:${action}`}`);
    });
    const action = (kind: Operand): string =>
      kind in NAMES ? `_tsd_${kind}` : kind === "file" ? "_files" : "";
    const named = operands.map((kind, at) =>
      quote(`${at === operands.length - 1 ? "*" : at + 1}:${kind}:${action(kind)}`),
    );
    return `    ${quote(path)}) _arguments ${[...specs, ...named].join(" ")} ;;`;
  });
  const names = Object.entries(NAMES).map(
    ([kind, ask]) => `_tsd_${kind}() { compadd -- \${(f)"$(tsd ${ask} 2>/dev/null)"} }`,
  );
  const groups = Object.keys(GROUPS).map((group) => {
    const verbs = words.filter(({ path }) => path.startsWith(`${group} `));
    return `    ${group}) list=(${verbs.map(({ path, short }) => quote(`${path.split(" ")[1]}:${describe(short)}`)).join(" ")}); _describe command list ;;`;
  });
  return `#compdef tsd
${names.join("\n")}
_tsd() {
  local verb= word i
  local -a list
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    [[ $word == -* ]] && continue
    verb="\${verb:+$verb }$word"
    case $verb in
      ${Object.keys(GROUPS).join("|")}) ;;
      *)
        words=("\${(@)words[i,-1]}")
        ((CURRENT -= i - 1))
        break ;;
    esac
  done
  case $verb in
    '') list=(${top.join(" ")}); _describe command list ;;
${groups.join("\n")}
${cases.join("\n")}
  esac
}
_tsd "$@"
`;
}

function fish(words: readonly Word[]): string {
  const lines = ["# fish completion for tsd"];
  for (const [word, short] of Object.entries(OTHERS))
    lines.push(`complete -c tsd -f -n __fish_use_subcommand -a ${word} -d ${quote(short)}`);
  for (const { path, short, flags, operands } of words) {
    const [first, second] = path.split(" ");
    const siblings = words.flatMap(({ path: other }) => {
      const [group, word] = other.split(" ");
      return group === first && word !== undefined ? [word] : [];
    });
    const when = second
      ? `__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${siblings.join(" ")}`
      : "__fish_use_subcommand";
    const seen = second
      ? `__fish_seen_subcommand_from ${first}; and __fish_seen_subcommand_from ${second}`
      : `__fish_seen_subcommand_from ${first}`;
    lines.push(`complete -c tsd -f -n ${quote(when)} -a ${second ?? first} -d ${quote(short)}`);
    const exactly = second
      ? seen
      : `${seen}; and not __fish_seen_subcommand_from ${Object.keys(GROUPS).join(" ")}`;
    for (const kind of operands) {
      if (kind === "file") continue;
      const ask = kind === "nothing" ? "" : ` -a ${quote(`(tsd ${NAMES[kind]} 2>/dev/null)`)}`;
      lines.push(`complete -c tsd -f -n ${quote(exactly)}${ask}`);
    }
    for (const flag of flags) {
      const letter = flag.short ? ` -s ${flag.short}` : "";
      lines.push(
        `complete -c tsd -n ${quote(seen)} -l ${flag.name}${letter}${flag.bool ? "" : " -r"} -d ${quote(flag.usage)}`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Path below the prefix, to content. */
export async function completions(): Promise<Record<string, string>> {
  const words = await table();
  return {
    "share/bash-completion/completions/tsd": bash(words),
    "share/zsh/site-functions/_tsd": zsh(words),
    "share/fish/vendor_completions.d/tsd.fish": fish(words),
  };
}
