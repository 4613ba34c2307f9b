/** Shell completions, made from the command line's own table of verbs and flags. */
import { aliasesOf, GROUPS, OTHER_WORDS, VERBS } from "../support/verbs.ts";

interface Word {
  /** `run`, or `container prune`. */
  path: string;
  short: string;
  flags: { name: string; short?: string; usage: string; bool: boolean }[];
}

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
      words.push({ path, short: verb.short, flags: described });
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
  const cases = words.map((word) => `    ${quote(word.path)}) flags=${quote(dashed(word))} ;;`).join("\n");
  const groups = Object.keys(GROUPS).map((group) => {
    const verbs = words
      .filter(({ path }) => path.startsWith(`${group} `))
      .map(({ path }) => path.split(" ")[1]);
    return `    ${group}) next=${quote(verbs.join(" "))} ;;`;
  });
  const top = [...new Set([...words.map(({ path }) => path.split(" ")[0]!), ...Object.keys(OTHERS)])];
  return `# bash completion for tsd
_tsd() {
  local cur=\${COMP_WORDS[COMP_CWORD]} path= flags= next= word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case $word in -*) continue ;; esac
    path="\${path:+$path }$word"
    case $path in ${Object.keys(GROUPS).join(" | ")}) ;; *) break ;; esac
  done
  case $path in
    '') next=${quote(top.join(" "))} ;;
${groups.join("\n")}
${cases}
  esac
  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$flags --help" -- "$cur"))
  elif [[ -n $next ]]; then COMPREPLY=($(compgen -W "$next" -- "$cur"))
  else
    case \${path##* } in
      run | create | rmi | tag | history | push | save) COMPREPLY=($(compgen -W "$(tsd images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null)" -- "$cur")) ;;
      load | pull | install) COMPREPLY=($(compgen -f -- "$cur")) ;;
      *) COMPREPLY=($(compgen -W "$(tsd ps -a --format '{{.Names}}' 2>/dev/null)" -- "$cur")) ;;
    esac
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
  const cases = words.map(({ path, flags }) => {
    const specs = flags.map(({ name, usage, bool }) =>
      quote(`--${name}${bool ? "" : "="}[${describe(usage)}]${bool ? "" : ":value:"}`),
    );
    return `    ${quote(path)}) _arguments ${specs.join(" ")} '*:argument:_files' ;;`;
  });
  const groups = Object.keys(GROUPS).map((group) => {
    const verbs = words.filter(({ path }) => path.startsWith(`${group} `));
    return `    ${group}) list=(${verbs.map(({ path, short }) => quote(`${path.split(" ")[1]}:${describe(short)}`)).join(" ")}); _describe command list ;;`;
  });
  return `#compdef tsd
_tsd() {
  local verb= word i
  local -a list
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    [[ $word == -* ]] && continue
    verb="\${verb:+$verb }$word"
    case $verb in ${Object.keys(GROUPS).join("|")}) ;; *) break ;; esac
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
  for (const { path, short, flags } of words) {
    const [first, second] = path.split(" ");
    const when = second
      ? `__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${second}`
      : "__fish_use_subcommand";
    const seen = second
      ? `__fish_seen_subcommand_from ${first}; and __fish_seen_subcommand_from ${second}`
      : `__fish_seen_subcommand_from ${first}`;
    lines.push(`complete -c tsd -f -n ${quote(when)} -a ${second ?? first} -d ${quote(short)}`);
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
