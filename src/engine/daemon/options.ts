/** The daemon's options: every flag, its key in daemon.json, its default. Flags of dockerd that have no effect here do not exist. */
import { checkHost } from "./hosts.ts";
import { NETWORK_OPTIONS, type NetworkOptions, networkDefaults } from "./network-options.ts";
import { checkInsecureRegistry, checkMirror } from "./registries.ts";

export interface DaemonConfig extends NetworkOptions {
  hosts: string[];
  "data-root": string;
  "exec-root": string;
  pidfile: string;
  debug: boolean;
  "log-level": string;
  group: string;
  "insecure-registries": string[];
  "registry-mirrors": string[];
  "live-restore": boolean;
  init: boolean;
  "default-runtime": string;
  "log-driver": string;
  "log-opts": Record<string, string>;
  labels: string[];
  "shutdown-timeout": number;
  "default-stop-timeout": number;
  tls: boolean;
  tlsverify: boolean;
  tlscacert: string;
  tlscert: string;
  tlskey: string;
}

export type Key = keyof DaemonConfig;

export interface Option {
  key: Key;
  flag: string;
  short?: string;
  kind: "string" | "bool" | "int" | "list" | "map" | "mapmap" | "pools";
  /** The word for the value in the help, and in messages of pflag. */
  word: string;
  help: string;
  /** What is wrong with one value; undefined when nothing is. */
  check?: (value: string) => string | undefined;
  /** May be changed by SIGHUP. */
  reloads?: boolean;
}

export const DEFAULT_CONFIG_FILE = "/etc/tsd/daemon.json";

export const LEVELS = ["debug", "info", "warn", "error", "fatal"] as const;

export function defaults(): DaemonConfig {
  return {
    hosts: [],
    "data-root": "/var/lib/tsd",
    "exec-root": "/run/tsd",
    pidfile: "/run/tsd.pid",
    debug: false,
    "log-level": "info",
    group: "docker",
    "insecure-registries": [],
    "registry-mirrors": [],
    // Unlike dockerd's: containers belong to the shim, not to the daemon.
    "live-restore": true,
    init: false,
    "default-runtime": "runc",
    "log-driver": "json-file",
    "log-opts": {},
    labels: [],
    "shutdown-timeout": 15,
    "default-stop-timeout": 10,
    tls: false,
    tlsverify: false,
    tlscacert: "/etc/tsd/ca.pem",
    tlscert: "/etc/tsd/cert.pem",
    tlskey: "/etc/tsd/key.pem",
    ...networkDefaults(),
  };
}

/** Names under which our own runtime may be asked for, the first by default: clients say `runc` where they mean "the usual one". */
export const RUNTIMES: readonly string[] = ["runc", "io.containerd.runc.v2", "tsrunc"];

const checkRuntime = (name: string) =>
  RUNTIMES.includes(name) ? undefined : `specified default runtime '${name}' does not exist`;
const checkDriver = (name: string) =>
  ["json-file", "none"].includes(name) ? undefined : `unsupported log driver: ${name}`;
const checkLabel = (label: string) => (/^[^=]+=/.test(label) ? undefined : `bad attribute format: ${label}`);

export const OPTIONS: readonly Option[] = [
  {
    key: "data-root",
    flag: "data-root",
    kind: "string",
    word: "string",
    help: "Root directory of persistent state",
  },
  {
    key: "debug",
    flag: "debug",
    short: "D",
    kind: "bool",
    word: "",
    help: "Enable debug mode",
    reloads: true,
  },
  {
    key: "default-runtime",
    flag: "default-runtime",
    kind: "string",
    word: "string",
    help: "Default OCI runtime for containers",
    check: checkRuntime,
  },
  {
    key: "default-stop-timeout",
    flag: "default-stop-timeout",
    kind: "int",
    word: "int",
    help: "Default time in seconds to stop a container",
  },
  {
    key: "exec-root",
    flag: "exec-root",
    kind: "string",
    word: "string",
    help: "Root directory for execution state files",
  },
  {
    key: "group",
    flag: "group",
    short: "G",
    kind: "string",
    word: "string",
    help: "Group for the unix socket",
  },
  {
    key: "hosts",
    flag: "host",
    short: "H",
    kind: "list",
    word: "list",
    help: "Daemon socket(s) to connect to",
    check: checkHost,
  },
  {
    key: "init",
    flag: "init",
    kind: "bool",
    word: "",
    help: "Run an init in the container to forward signals and reap processes",
  },
  {
    key: "insecure-registries",
    flag: "insecure-registry",
    kind: "list",
    word: "list",
    help: "Enable insecure registry communication",
    check: checkInsecureRegistry,
    reloads: true,
  },
  {
    key: "labels",
    flag: "label",
    kind: "list",
    word: "list",
    help: "Set key=value labels to the daemon",
    check: checkLabel,
    reloads: true,
  },
  {
    key: "live-restore",
    flag: "live-restore",
    kind: "bool",
    word: "",
    help: "Leave containers running when the daemon ends",
    reloads: true,
  },
  {
    key: "log-driver",
    flag: "log-driver",
    kind: "string",
    word: "string",
    help: "Default driver for container logs",
    check: checkDriver,
  },
  {
    key: "log-level",
    flag: "log-level",
    short: "l",
    kind: "string",
    word: "string",
    help: 'Set the logging level ("debug"|"info"|"warn"|"error"|"fatal")',
    reloads: true,
  },
  {
    key: "log-opts",
    flag: "log-opt",
    kind: "map",
    word: "map",
    help: "Default log driver options for containers",
  },
  {
    key: "pidfile",
    flag: "pidfile",
    short: "p",
    kind: "string",
    word: "string",
    help: "Path to use for daemon PID file",
  },
  {
    key: "registry-mirrors",
    flag: "registry-mirror",
    kind: "list",
    word: "list",
    help: "Preferred registry mirror",
    check: checkMirror,
    reloads: true,
  },
  {
    key: "shutdown-timeout",
    flag: "shutdown-timeout",
    kind: "int",
    word: "int",
    help: "Time in seconds to stop all containers in at the daemon's end",
    reloads: true,
  },
  { key: "tls", flag: "tls", kind: "bool", word: "", help: "Use TLS; implied by --tlsverify" },
  {
    key: "tlscacert",
    flag: "tlscacert",
    kind: "string",
    word: "string",
    help: "Trust certs signed only by this CA",
  },
  { key: "tlscert", flag: "tlscert", kind: "string", word: "string", help: "Path to TLS certificate file" },
  { key: "tlskey", flag: "tlskey", kind: "string", word: "string", help: "Path to TLS key file" },
  { key: "tlsverify", flag: "tlsverify", kind: "bool", word: "", help: "Use TLS and verify the remote" },
  ...NETWORK_OPTIONS,
];
